/**
 * What a program would be that asked the server with the Connect client and nothing else: the
 * peer of the footprint bench.
 *
 *   plain-client.ts once|stream FILE    FILE: {url, token, report} as JSON
 */
import { readFileSync } from "node:fs";

import { create, fromJson, type JsonObject } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { CheckinService, StreamRequestSchema } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { ReportSchema } from "@nix-ota/proto/nixota/v1/device_pb";

const [mode, file = ""] = process.argv.slice(2);
const { url, token, report } = JSON.parse(readFileSync(file, "utf8")) as {
  url: string;
  token: string;
  report: JsonObject;
};
const client = createClient(
  CheckinService,
  createConnectTransport({
    baseUrl: url,
    httpVersion: mode === "stream" ? "2" : "1.1",
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${token}`);
        return next(request);
      },
    ],
  }),
);
const message = fromJson(ReportSchema, {
  ...report,
  sequence: String(process.hrtime.bigint() / 1000n),
});

if (mode === "once") {
  const { directive } = await client.checkIn({ report: message });
  if (directive?.verdict.case !== "hold") throw new Error("something is offered");
} else {
  const open = Promise.withResolvers<never>();
  async function* requests() {
    yield create(StreamRequestSchema, { report: message });
    await open.promise;
  }
  for await (const { directive } of client.stream(requests())) {
    if (directive !== undefined) process.stdout.write("heard\n");
  }
}
