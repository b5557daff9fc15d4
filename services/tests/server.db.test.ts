import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { toBase64 } from "@nix-ota/proto/hash";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckInRequestSchema } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import { afterAll, beforeAll, expect, test } from "vitest";

import { LIMITS } from "../src/limits.ts";
import { createPostgresDatabase } from "./databases.testkit.ts";
import { envelope, KEY, seed } from "./manifests.testkit.ts";
import { ServerProcess } from "./server-process.testkit.ts";
import { clientsOf, TestDevice, TestServer } from "./server.testkit.ts";

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start("postgresql");
  await server.operator.publish.publish({
    envelopes: [envelope({ revision: 1n })],
    publicKeys: [{ key: KEY }],
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const authorization = () => ({ authorization: `Bearer ${server.token}` });

/** What a plain HTTP client, such as curl, gets. */
async function post(
  call: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = { "content-type": "application/json" },
): Promise<{ status: number; text: string; requestId: string | null }> {
  const response = await fetch(`${server.url}/nixota.v1.${call}`, {
    method: "POST",
    headers: { ...authorization(), ...headers },
    body,
  });
  return {
    status: response.status,
    text: await response.text(),
    requestId: response.headers.get("x-request-id"),
  };
}

test("curl publishes and reads with JSON", async () => {
  const body = { envelopes: [toBase64(envelope({ channel: "curl", revision: 1n }))] };
  const keys = { publicKeys: [{ key: toBase64(KEY), name: "k" }] };
  const published = await post("PublishService/Publish", JSON.stringify({ ...body, ...keys }));
  expect(JSON.parse(published.text)).toMatchObject({
    release: { revision: "1" },
    channelCreated: true,
  });
  const current = await post("ChannelService/GetCurrent", JSON.stringify({ channel: "curl" }));
  expect(JSON.parse(current.text)).toEqual({ envelope: body.envelopes[0] });
  expect(current.requestId).toMatch(/^[0-9a-f-]{36}$/);
});

test("a read is a plain GET too", async () => {
  const query = new URLSearchParams({
    encoding: "json",
    message: JSON.stringify({ channel: "prod" }),
  });
  const response = await fetch(`${server.url}/nixota.v1.ChannelService/GetCurrent?${query}`, {
    headers: authorization(),
  });
  expect(await response.json()).toEqual({ envelope: toBase64(envelope({ revision: 1n })) });
  // No cache between gives one caller's answer to another.
  expect(response.headers.get("cache-control")).toBe("private, no-cache");
  expect(response.headers.get("vary")).toContain("authorization");
});

test("Connect, gRPC and gRPC-web read the same over HTTP/1.1 and HTTP/2 on one port", async () => {
  const baseUrl = server.url;
  const sessionManager = new Http2SessionManager(baseUrl);
  const transports = [
    createConnectTransport({ baseUrl, httpVersion: "1.1" }),
    createConnectTransport({ baseUrl, httpVersion: "2", sessionManager }),
    createGrpcTransport({ baseUrl, sessionManager }),
    createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
    createGrpcWebTransport({ baseUrl, httpVersion: "2", sessionManager }),
  ];
  try {
    const results = await Promise.all(
      transports.map((transport) =>
        createClient(ChannelService, transport).getCurrent(
          { channel: "prod" },
          { headers: authorization() },
        ),
      ),
    );
    for (const { result } of results) expect(result.value).toEqual(envelope({ revision: 1n }));
  } finally {
    sessionManager.abort();
  }
});

test("what the schema forbids is refused with the field's name", async () => {
  const refused = await server.operator.channel
    .getCurrent({ channel: "Not An Id" })
    .catch(ConnectError.from);
  expect(refused).toMatchObject({ code: Code.InvalidArgument });
  expect((refused as ConnectError).message).toContain("channel");
});

test("values that no database takes are the caller's fault, not a defect", async () => {
  const { channel, checkin, publish } = server.operator;
  await server.device("gw-odd");
  const cursor = (...parts: string[]) => Buffer.from(JSON.stringify(parts)).toString("base64url");
  const calls: readonly Promise<unknown>[] = [
    publish.getRelease({ channel: "prod", revision: 2n ** 64n - 1n }),
    channel.listChannels({ cursor: cursor("ListChannels", "\0") }),
    checkin.listDevices({ cursor: cursor("ListDevices", "\0") }),
    checkin.listDeviceEvents({
      deviceId: "gw-odd",
      cursor: cursor("ListDeviceEvents", "1", "1", "a\0"),
    }),
  ];
  const codes = await Promise.all(
    calls.map((call) => call.catch((error: unknown) => ConnectError.from(error).code)),
  );
  expect(codes).toEqual(calls.map(() => Code.InvalidArgument));
});

test("bodies are bounded, as sent and as decompressed, and by what the call needs", async () => {
  const device = await server.device("limits-1");
  const huge = "x".repeat(LIMITS.callBodyBytes);
  const report = toBinary(
    CheckInRequestSchema,
    create(CheckInRequestSchema, {
      report: device.next({ events: [{ id: "a".repeat(32), message: huge }] }),
    }),
  );
  const proto = { "content-type": "application/proto" };
  const bomb = new Uint8Array(gzipSync(new Uint8Array(50 * 1024 * 1024)));
  expect(bomb.length).toBeLessThan(LIMITS.callBodyBytes);
  const outcomes = [
    await post("CheckinService/CheckIn", new Uint8Array(report), proto),
    await post("CheckinService/CheckIn", bomb, { ...proto, "content-encoding": "gzip" }),
    await post("ChannelService/GetCurrent", JSON.stringify({ channel: huge })),
    await post("PublishService/Publish", new Uint8Array(LIMITS.publishBodyBytes + 1), proto),
  ];
  expect(outcomes.map(({ status }) => status)).toEqual([429, 429, 429, 429]);

  const listings = [new Uint8Array(3 * 1024 * 1024).fill(65)];
  const large = await server.operator.publish
    .publish({ envelopes: [envelope({ revision: 2n })], listings })
    .catch(ConnectError.from);
  // Three megabytes are read, and judged for what they are.
  expect((large as ConnectError).message).toContain("line feed");
});

test("a caller without a credential is refused before its body is read", async () => {
  const request = http.request(`${server.url}/nixota.v1.PublishService/Publish`, {
    method: "POST",
    headers: { "content-type": "application/proto", "content-length": "4000000" },
  });
  // Not a byte of the announced body is sent.
  request.flushHeaders();
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  expect(response.statusCode).toBe(401);
  response.resume();
  request.destroy();
});

test("garbage, unknown calls and wrong types get an answer of the right layer", async () => {
  const proto = { "content-type": "application/proto" };
  const answers = [
    await post("ChannelService/GetCurrent", "{"),
    await post("ChannelService/GetCurrent", new Uint8Array([0xff, 0xff, 0xff]), proto),
    await post("ChannelService/GetCurrent", "<xml/>", { "content-type": "text/xml" }),
    await post("ChannelService/Nothing", "{}"),
    await post("PublishService/AdvanceRollout", '{"channel":"prod","revision":"1"}', {
      "content-type": "application/json",
      authorization: `Bearer ${server.adminToken}`,
    }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([400, 400, 415, 404, 501]);
  const large = await fetch(`${server.url}/healthz`, {
    headers: { x: "y".repeat(LIMITS.headerBytes) },
  });
  expect(large.status).toBe(431);
});

test("a client that says nothing, or too slowly, is cut, and others are served meanwhile", async () => {
  const { port } = new URL(server.url);
  const open = async (first: string) => {
    const socket = net.connect(Number(port), "127.0.0.1");
    await once(socket, "connect");
    if (first !== "") socket.write(first);
    return socket;
  };
  const sockets = await Promise.all(
    ["", "P", "GET /healthz HTTP/1.1\r\nHost: x\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"].map(open),
  );
  const began = performance.now();
  for (const socket of sockets) socket.resume().on("error", () => undefined);
  const cut = Promise.all(sockets.slice(0, 3).map((socket) => once(socket, "close")));
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  await cut;
  expect(performance.now() - began).toBeLessThan(LIMITS.headersMs + LIMITS.checkEveryMs + 5_000);
  sockets[3]?.destroy();
}, 40_000);

test("a plan that this server cannot follow is refused, not ignored", async () => {
  const refused = await createClient(
    PublishService,
    createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" }),
  )
    .publish(
      {
        envelopes: [envelope({ revision: 9n })],
        rollout: { waves: [{ members: { case: "percent", value: 1 } }] },
      },
      { headers: authorization() },
    )
    .catch(ConnectError.from);
  expect(refused).toMatchObject({ code: Code.Unimplemented });
});

test("health and readiness are pages, everything else is not found", async () => {
  const page = async (path: string, method = "GET") =>
    (await fetch(`${server.url}${path}`, { method })).status;
  expect([
    await page("/healthz"),
    await page("/readyz"),
    await page("/readyz", "HEAD"),
    await page("/readyz", "POST"),
    await page("/"),
  ]).toEqual([200, 200, 200, 405, 404]);
});

test("each call leaves a line in the log, and no credential does", async () => {
  const folder = mkdtempSync(join(tmpdir(), "nix-ota-log-"));
  const [right, wrong] = ["r".repeat(40), "w".repeat(40)];
  writeFileSync(join(folder, "token"), right);
  chmodSync(join(folder, "token"), 0o640);
  const files = ["--data-dir", folder, "--publish-token-file", join(folder, "token")];
  const env = { DATABASE_URL: await createPostgresDatabase() };
  try {
    await using program = await ServerProcess.start(
      ["--listen", "127.0.0.1:0", "--log-level", "debug", ...files],
      env,
    );
    expect(program.log).toContainEqual(
      expect.objectContaining({
        level: 40,
        msg: expect.stringContaining("the publish token file"),
      }),
    );
    const caller = await clientsOf(program.url, right).access.getCaller({});
    expect(caller).toMatchObject({ name: "publish-token", scopes: ["publish:*", "read"] });
    const refused = await clientsOf(program.url, wrong)
      .access.getCaller({})
      .catch(ConnectError.from);
    expect(String(refused)).not.toContain(wrong);
    const device = new TestDevice(program.url, "gw-1", seed(1));
    await device.enrol({ channel: "prod" });
    const { sessionToken } = await device.authenticate();
    await device.report();
    const oneTime = readFileSync(join(folder, "first-admin.token"), "utf8").trim();
    const { secret } = await clientsOf(program.url, oneTime).access.createToken({
      name: "ci",
      scopes: ["read"],
    });
    const console = async (call: string, body: object, headers: Record<string, string> = {}) =>
      await fetch(`${program.url}/nixota.v1.AccessService/${call}`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "sec-fetch-site": "same-origin",
          ...headers,
        },
        body: JSON.stringify(body),
      });
    const signedIn = await console("SignIn", { token: secret });
    const cookie = signedIn.headers.get("set-cookie")?.split(";")[0] ?? "";
    expect((await console("GetCaller", {}, { cookie })).status).toBe(200);
    expect((await console("SignIn", { token: `${secret}0` })).status).toBe(401);
    await program.end("SIGTERM");

    const calls = program.log.filter(({ call }) => call !== undefined);
    expect(calls.map(({ call, msg }) => `${String(call).split("/")[1]}: ${String(msg)}`)).toEqual([
      "GetCaller: call",
      "GetCaller: caller refused",
      "CreateChallenge: call",
      "Enrol: call",
      "CreateChallenge: call",
      "Authenticate: call",
      "CheckIn: call",
      "CreateToken: call",
      "SignIn: call",
      "GetCaller: call",
      "SignIn: call refused",
    ]);
    const all = JSON.stringify(program.log);
    const tokens = [oneTime, secret].map((token) => token.slice(-64));
    const value = cookie.slice(cookie.indexOf("=") + 1);
    expect(value).toHaveLength(43);
    for (const word of [right, wrong, sessionToken, ...tokens, value]) {
      expect(all).not.toContain(word);
    }
    expect(all).not.toContain(new URL(env.DATABASE_URL).password);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
