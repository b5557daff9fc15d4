import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { toJson } from "@bufbuild/protobuf";
import { toBase64 } from "@nix-ota/proto/hash";
import { AgentState, Outcome, ReportSchema } from "@nix-ota/proto/nixota/v1/device_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { LIMITS } from "../src/limits.ts";
import { DATABASES } from "./databases.testkit.ts";
import { envelope, KEY } from "./manifests.testkit.ts";
import { TestDevice, TestServer } from "./server.testkit.ts";

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** What curl gets. */
async function curl(url: string, ...argv: readonly string[]): Promise<Answer> {
  const { stdout } = await promisify(execFile)("curl", ["-sS", "-i", ...argv, url], {
    timeout: 20_000,
  });
  const [head = "", ...rest] = stdout.split("\r\n\r\n");
  const [first = "", ...lines] = head.split("\r\n");
  const headers = Object.fromEntries(lines.map((line) => line.toLowerCase().split(": ", 2)));
  const text = rest.join("\r\n\r\n");
  const body: unknown = text === "" ? undefined : JSON.parse(text);
  return { status: Number(first.split(" ")[1]), headers, body };
}

const bearer = (token: string) => ["-H", `Authorization: Bearer ${token}`];
const data = (value: unknown) => ["--data-binary", JSON.stringify(value)];

describe.each(DATABASES)("with curl on %s", (kind) => {
  let server: TestServer;
  let device: TestDevice;
  let session: readonly string[] = [];
  beforeAll(async () => {
    server = await TestServer.start(kind);
    device = new TestDevice(server.url, "gw-1", new Uint8Array(32).fill(1));
    await device.enrol({ channel: "prod" });
    const { sessionToken } = await device.authenticate();
    session = bearer(sessionToken);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  test("a release is published, fetched and reported on, in the words of the plain paths", async () => {
    const url = (path: string) => `${server.url}${path}`;
    const signed = toBase64(envelope({ revision: 1n }));
    const publication = { envelopes: [signed], publicKeys: [{ key: toBase64(KEY) }] };
    const asOperator = bearer(server.token);
    const published = await curl(
      url("/channels/prod/publish"),
      ...asOperator,
      ...data(publication),
    );
    expect(published).toMatchObject({
      status: 200,
      body: { release: { channel: "prod", revision: "1" }, channelCreated: true },
    });

    const current = await curl(url("/channels/prod/current?min_revision=0"), ...session);
    expect(current).toMatchObject({ status: 200, body: { envelope: signed } });
    const { etag = "" } = current.headers;
    const again = ["-H", `If-None-Match: "other", ${etag}`];
    expect(await curl(url("/channels/prod/current"), ...session, ...again)).toMatchObject({
      status: 304,
      headers: { etag },
      body: undefined,
    });
    expect(await curl(url("/channels/none/current"), ...session)).toMatchObject({
      status: 200,
      body: { hold: { reason: "no_release" } },
    });

    const fields = {
      state: AgentState.IDLE,
      attempt: { id: "a".repeat(32), channel: "prod", revision: 1n },
    };
    const report = toJson(ReportSchema, device.next(fields)) as Record<string, unknown>;
    const told = await curl(
      url("/checkin"),
      ...session,
      ...data({ ...report, state: "rolled_back" }),
    );
    expect(told).toMatchObject({
      status: 200,
      body: { acknowledgedSequence: "1", offer: { revision: "1" }, standing: "accepted" },
    });
    const stored = await server.operator.checkin.getDevice({ deviceId: "gw-1" });
    expect(stored.device).toMatchObject({
      state: AgentState.IDLE,
      attempt: { outcome: Outcome.ROLLED_BACK },
    });
  });

  test("the plain paths refuse as the calls do, with the reason as JSON", async () => {
    const url = (path: string) => `${server.url}${path}`;
    const asOperator = bearer(server.token);
    const signed = [toBase64(envelope({ revision: 1n }))];
    const report = toJson(ReportSchema, device.next({})) as Record<string, unknown>;
    const refused = async (path: string, ...argv: readonly string[]) => {
      const { status, body } = await curl(url(path), ...argv);
      return [status, (body as { error: string }).error];
    };
    expect({
      nobody: await refused("/channels/prod/publish", ...data({ envelopes: signed })),
      device: await refused("/channels/prod/publish", ...session, ...data({ envelopes: signed })),
      otherChannel: await refused(
        "/channels/edge/publish",
        ...asOperator,
        ...data({ envelopes: signed }),
      ),
      otherDevice: await refused("/checkin", ...session, ...data({ ...report, deviceId: "gw-2" })),
      noJson: await refused("/checkin", ...session, "--data-binary", "{"),
      unknownWord: await refused("/checkin", ...session, ...data({ state: "cooked" })),
      badName: await refused("/channels/Not%20One/current", ...session),
      wrongMethod: await refused("/checkin", ...session),
      packed: await refused("/checkin", ...session, "-H", "Content-Encoding: gzip", ...data({})),
    }).toEqual({
      nobody: [401, "CREDENTIAL_INVALID"],
      device: [403, "SCOPE_MISSING"],
      otherChannel: [400, "INVALID_ARGUMENT"],
      otherDevice: [403, "NOT_YOUR_DEVICE"],
      noJson: [400, "INVALID_ARGUMENT"],
      unknownWord: [400, "INVALID_ARGUMENT"],
      badName: [400, "INVALID_ARGUMENT"],
      wrongMethod: [405, "METHOD_NOT_ALLOWED"],
      packed: [415, "ENCODING_UNKNOWN"],
    });
    const large = await fetch(url("/checkin"), {
      method: "POST",
      headers: { authorization: session[1]?.slice("Authorization: ".length) ?? "" },
      body: " ".repeat(LIMITS.callBodyBytes + 1),
    });
    expect([large.status, ((await large.json()) as { error: string }).error]).toEqual([
      429,
      "RESOURCE_EXHAUSTED",
    ]);
    const taken = await curl(
      url("/channels/prod/publish"),
      ...asOperator,
      ...data({ envelopes: [toBase64(envelope({ revision: 1n, message: "other" }))] }),
    );
    expect(taken).toMatchObject({
      status: 409,
      body: { error: "REVISION_TAKEN", head_revision: "1", message: expect.stringContaining("r1") },
    });
  });
});
