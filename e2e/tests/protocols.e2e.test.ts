import { writeFile } from "node:fs/promises";

import { create, type JsonObject } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { signManifest } from "@nix-ota/proto";
import { signAuthStatement } from "@nix-ota/proto/auth-statement";
import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { toBase64 } from "@nix-ota/proto/hash";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { ManifestSchema } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { browser } from "../src/callers/browser.ts";
import { BUF_PROTOCOLS, bufCurl } from "../src/callers/buf-curl.ts";
import type { Caller } from "../src/callers/caller.ts";
import { curl } from "../src/callers/curl.ts";
import { grpcJs } from "../src/callers/grpc-js.ts";
import { type RunningProcess, startServer } from "../src/processes.ts";
import { TemporaryFolder } from "../src/temporary-folder.ts";

const OPERATOR = "o".repeat(48);
const SIGNING_SEED = new Uint8Array(32).fill(7);
const DEVICE_SEED = new Uint8Array(32).fill(9);

/** Streams that a program can open: a browser none in both directions, curl none at all. */
const { stream, watch } = CheckinService.method;
const CALLERS = [
  { name: "curl", open: curl, streams: [] },
  ...BUF_PROTOCOLS.map((protocol) => ({
    name: `buf curl with ${protocol}`,
    open: (url: string) => bufCurl(url, protocol),
    streams: [stream, watch],
  })),
  { name: "grpc-js", open: grpcJs, streams: [stream, watch] },
  { name: "a browser", open: browser, streams: [watch] },
] as const;

let folder: TemporaryFolder;
let server: RunningProcess;
beforeAll(async () => {
  folder = await TemporaryFolder.create("protocols");
  await writeFile(folder.join("token"), OPERATOR, { mode: 0o600 });
  server = await startServer({
    dataDir: folder.join("data"),
    publishTokenFile: folder.join("token"),
  });
});
afterAll(async () => {
  await server.handle.stop();
  await folder[Symbol.asyncDispose]();
});

describe.each(CALLERS)("$name", ({ name, open, streams }) => {
  const channel = name.replaceAll(" ", "-");
  const deviceId = `device-of-${channel}`;
  const envelope = toBase64(
    signManifest(
      create(ManifestSchema, {
        schema: 1,
        channel,
        revision: 1n,
        system: "x86_64-linux",
        storePath: `/nix/store/${"a".repeat(32)}-nixos-system-sim`,
        substituters: ["https://cache.example.org"],
        closureBytes: 1_000n,
        issuedAtS: 1_700_000_000n,
      }),
      [SIGNING_SEED],
    ),
  );
  let caller: Caller;
  let session = "";
  let sequence = 0;
  const report = (): JsonObject => {
    sequence += 1;
    return { report: { deviceId, channel, sequence: `${sequence}`, bootId: "boot-1" } };
  };
  const offered = (acknowledged: number) => ({
    directive: {
      offer: { channel, revision: "1" },
      standing: "DEVICE_STANDING_ACCEPTED",
      ...(acknowledged === 0 ? {} : { acknowledgedSequence: `${acknowledged}` }),
    },
  });

  beforeAll(async () => {
    caller = await open(server.url);
  });
  afterAll(async () => {
    await caller[Symbol.asyncDispose]();
  });

  test("publishes, and is given the very bytes", async () => {
    const { publish } = PublishService.method;
    const key = { key: toBase64(publicKeyOf(SIGNING_SEED)) };
    const request = { envelopes: [envelope], publicKeys: [key] };
    expect(await caller.unary(publish, request, OPERATOR)).toMatchObject({
      release: { channel, revision: "1" },
      channelCreated: true,
    });
    const { getCurrent } = ChannelService.method;
    expect(await caller.unary(getCurrent, { channel }, OPERATOR)).toEqual({ envelope });
  });

  test("reports as a device, and is offered the release", async () => {
    session = await authenticate(deviceId, channel);
    const { checkIn } = CheckinService.method;
    const answer = await caller.unary(checkIn, report(), session);
    expect(answer).toMatchObject(offered(sequence));
  });

  test.each(streams)("opens $name, and is told at once", async (method) => {
    const message = method.name === "Watch" ? { deviceId } : report();
    await using opened = await caller.stream(method, message, session);
    const acknowledged = method.name === "Watch" ? 0 : sequence;
    expect(await opened.first()).toMatchObject(offered(acknowledged));
  });
});

/** What a device does before its first report. */
async function authenticate(deviceId: string, channel: string): Promise<string> {
  const transport = createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" });
  const checkin = createClient(CheckinService, transport);
  const prove = async () => {
    const { nonce } = await checkin.createChallenge({ deviceId });
    return signAuthStatement({ serverUrl: server.url, deviceId, nonce }, DEVICE_SEED);
  };
  const publicKey = publicKeyOf(DEVICE_SEED);
  await checkin.enrol({ auth: await prove(), publicKey, channel });
  return (await checkin.authenticate({ auth: await prove() })).sessionToken;
}
