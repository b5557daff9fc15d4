import { Code, ConnectError } from "@connectrpc/connect";
import { otaError } from "@nix-ota/proto/reason";
import { expect, test } from "vitest";

import { AgentError } from "../agent-error.ts";
import { isSessionRefusal, readAnswer } from "./answer.ts";

const never = new AbortController().signal;
const failing = async (cause: unknown) =>
  await readAnswer(async () => {
    throw cause;
  }, never);

const errno = (code: string) => Object.assign(new Error(code), { code });

test.each([
  [
    "nobody listens",
    new ConnectError("", Code.Unavailable, undefined, undefined, errno("ECONNREFUSED")),
  ],
  [
    "a captive portal shows its certificate",
    new ConnectError("", Code.Unknown, undefined, undefined, errno("DEPTH_ZERO_SELF_SIGNED_CERT")),
  ],
  ["nobody answers in time", new ConnectError("timed out", Code.DeadlineExceeded)],
  ["the socket breaks", new Error("socket hang up")],
])("%s: silence", async (_what, cause) => {
  expect((await failing(cause)).got).toBe("silence");
});

test.each([
  ["the server is full", otaError("OVERLOADED", "later", { retryAfterMs: 700 }), 700],
  ["its database is down", otaError("DATABASE_UNAVAILABLE", "later"), 0],
  ["the device waits for approval", otaError("PENDING_APPROVAL", "wait"), 0],
  ["the key is another's", otaError("KEY_CONFLICT", "no"), 0],
  ["a proxy finds no server behind it", new ConnectError("HTTP 502", Code.Unavailable), 0],
])("%s: a refusal, which proves contact", async (_what, cause, retryAfterMs) => {
  expect(await failing(cause)).toMatchObject({ got: "refusal", retryAfterMs });
});

test("a connection that is really refused reads as silence", async () => {
  const { createClient } = await import("@connectrpc/connect");
  const { createConnectTransport } = await import("@connectrpc/connect-node");
  const { CheckinService } = await import("@nix-ota/proto/nixota/v1/checkin_service_pb");
  const transport = createConnectTransport({ baseUrl: "http://127.0.0.1:1", httpVersion: "1.1" });
  const client = createClient(CheckinService, transport);
  const answer = await readAnswer(
    async () => await client.createChallenge({ deviceId: "a" }),
    never,
  );
  expect(answer).toMatchObject({
    got: "silence",
    message: expect.stringContaining("ECONNREFUSED") as string,
  });
});

test.each([
  ["an error page", 503],
  ["a page of a website", 200],
])("%s over HTTP proves contact", async (_what, status) => {
  const { createServer } = await import("node:http");
  const { createClient } = await import("@connectrpc/connect");
  const { createConnectTransport } = await import("@connectrpc/connect-node");
  const { CheckinService } = await import("@nix-ota/proto/nixota/v1/checkin_service_pb");
  const server = createServer((_request, response) => {
    response
      .writeHead(status, { "content-type": "text/html", connection: "close" })
      .end("<p>hello");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const transport = createConnectTransport({
    baseUrl: `http://127.0.0.1:${port}`,
    httpVersion: "1.1",
  });
  const client = createClient(CheckinService, transport);
  const answer = await readAnswer(
    async () => await client.createChallenge({ deviceId: "a" }),
    never,
  );
  server.close();
  expect(answer.got).toBe("refusal");
});

test("the device's own disk is not the server's silence", async () => {
  await expect(failing(new AgentError("state", "full", undefined))).rejects.toThrow("full");
});

test.each([
  ["CREDENTIAL_INVALID", true],
  ["DEVICE_REVOKED", false],
] as const)("whether a fresh session may cure %s: %s", (reason, may) => {
  expect(isSessionRefusal(otaError(reason, "no"))).toBe(may);
});
