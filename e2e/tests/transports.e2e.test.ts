import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

import { create } from "@bufbuild/protobuf";
import { signManifest } from "@nix-ota/proto";
import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { ManifestSchema } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { type Certificate, makeCertificate } from "../src/certificate.ts";
import { eventually } from "../src/eventually.ts";
import { freePort } from "../src/free-port.ts";
import { LinkedDevice, type LinkedOptions } from "../src/linked-device.ts";
import { Operator } from "../src/operator.ts";
import { type RunningProcess, startServer } from "../src/processes.ts";
import { PROXY_MODES, type ProxyMode } from "../src/proxy-modes.ts";
import { Proxy } from "../src/proxy.ts";
import { TemporaryFolder } from "../src/temporary-folder.ts";

const TOKEN = "o".repeat(48);
const SEED = new Uint8Array(32).fill(7);
const modes = PROXY_MODES.map((mode, index) => ({ ...mode, id: `device-${index}` }));

let folder: TemporaryFolder;
let certificate: Certificate;
let authority: string;
let server: RunningProcess;
let operator: Operator;
let revision = 0n;
const ports = new Map<string, number>();
const proxies = new Map<string, Proxy>();
const devices = new Map<string, LinkedDevice>();

/** One server, a proxy of each kind in front of it, and a device behind each, all at once. */
beforeAll(async () => {
  folder = await TemporaryFolder.create("transports");
  await writeFile(folder.join("token"), TOKEN, { mode: 0o600 });
  certificate = await makeCertificate(folder.path);
  authority = await readFile(certificate.authority, "utf8");
  for (const { id } of modes) ports.set(id, await freePort());
  await startAgain(`127.0.0.1:${await freePort()}`);
  await publish();
  for (const mode of modes) {
    proxies.set(mode.id, await proxyOf(mode));
    await deviceOf(mode.id, proxies.get(mode.id)?.url ?? "");
  }
});

afterAll(async () => {
  for (const device of devices.values()) await device[Symbol.asyncDispose]();
  for (const proxy of proxies.values()) await proxy[Symbol.asyncDispose]();
  await server.handle.stop();
  await folder[Symbol.asyncDispose]();
});

async function startAgain(listen: string) {
  server = await startServer({
    listen,
    dataDir: folder.join("data"),
    publishTokenFile: folder.join("token"),
    arguments: [
      ...["--public-url", `http://${listen}`],
      ...[...ports.values()].flatMap((port) => ["--public-url", `https://127.0.0.1:${port}`]),
    ],
  });
  operator = new Operator(server.url, TOKEN);
}

async function proxyOf({ id, setUp }: ProxyMode & { id: string }): Promise<Proxy> {
  const upstreamPort = Number(new URL(server.url).port);
  const place = { port: ports.get(id) ?? 0, upstreamPort, certificate };
  return await Proxy.start(folder.join(`proxy-of-${id}`), place, setUp);
}

async function deviceOf(id: string, url: string, more: Partial<LinkedOptions> = {}) {
  const stateDir = folder.join(`state-of-${id}`);
  const device = new LinkedDevice({ server: url, id, authority, stateDir, ...more });
  devices.set(id, device);
  await device.start();
  return device;
}

const device = (id: string) => {
  const one = devices.get(id);
  if (one === undefined) throw new Error(`there is no device ${id}`);
  return one;
};

async function publish(): Promise<void> {
  revision += 1n;
  const manifest = create(ManifestSchema, {
    schema: 1,
    channel: "prod",
    system: "x86_64-linux",
    storePath: `/nix/store/${"a".repeat(32)}-nixos-system-sim-${revision}`,
    substituters: ["https://cache.example.org"],
    closureBytes: 1_000n,
    issuedAtS: 1_700_000_000n,
    revision,
  });
  await operator.publish.publish({
    envelopes: [signManifest(manifest, [SEED])],
    publicKeys: [{ key: publicKeyOf(SEED) }],
  });
}

/** Waits until the device holds to the rung, and is connected where that takes a connection. */
async function settled(id: string, rung: string): Promise<void> {
  await eventually(
    `${id} on ${rung}`,
    async () => await Promise.resolve(device(id).rung === rung || undefined),
    { timeoutMs: 120_000, describe: () => device(id).log },
  );
}

/** Waits until the device was offered what was published last. */
async function offered(id: string): Promise<bigint> {
  return await eventually(
    `the offer at ${id}`,
    async () => await Promise.resolve(device(id).offered === revision ? revision : undefined),
    { describe: () => device(id).log },
  );
}

/** Waits until every event is acknowledged; what the server has of the device, oldest first. */
async function reported(id: string): Promise<string[]> {
  await eventually(
    `the reports of ${id}`,
    async () => await Promise.resolve(device(id).waiting === 0 || undefined),
    { timeoutMs: 120_000, describe: () => device(id).log },
  );
  return (await operator.events(id)).map((event) => event.id);
}

describe.each(modes)("$name", ({ id, left, rung }) => {
  test(`auto ends on ${rung}, and on the way no report is lost or counted twice`, async () => {
    const one = device(id);
    await eventually(
      `${id} on ${rung}`,
      async () => {
        if (one.waiting === 0 && one.happened.length < 100) one.happens();
        await delay(200);
        return one.left.length === left.length && one.rung === rung ? true : undefined;
      },
      { timeoutMs: 120_000, describe: () => one.log },
    );
    one.happens();
    expect(await reported(id)).toEqual(one.happened);
    expect(one.left).toEqual(left);
  });
});

describe("a publish", () => {
  beforeAll(publish);

  test.each(modes.filter(({ rung }) => rung !== "poll"))(
    "is pushed through $name over a $rung",
    async ({ id }) => {
      expect(await offered(id)).toBe(revision);
    },
  );

  test.each(modes.filter(({ rung }) => rung === "poll"))(
    "waits for the next poll through $name",
    async ({ id }) => {
      expect(device(id).offered).toBe(revision - 1n);
      device(id).poll();
      expect(await offered(id)).toBe(revision);
    },
  );
});

describe("while the server is away, and proxies answer 502 or 503", () => {
  beforeAll(async () => {
    server.handle.kill("SIGKILL");
    await server.handle.exited;
    for (const { id } of modes) device(id).happens();
    for (const { id } of modes) {
      await eventually(
        `${id} is turned away`,
        async () => await Promise.resolve(device(id).refusals > 2 || undefined),
      );
    }
    await startAgain(new URL(server.url).host);
    await publish();
  });

  test.each(modes)("a device behind $name loses nothing and is on $rung again", async (mode) => {
    const one = device(mode.id);
    expect(await reported(mode.id)).toEqual(one.happened);
    await settled(mode.id, mode.rung);
    expect(one.left).toEqual(mode.left);
    if (mode.rung === "poll") one.poll();
    expect(await offered(mode.id)).toBe(revision);
  });
});

test.each(modes.filter(({ left }) => left.length === 0))(
  "$name, killed in the middle of reports, costs none of them",
  async (mode) => {
    const one = device(mode.id);
    for (let round = 0; round < 3; round += 1) {
      for (let events = 0; events < 5; events += 1) one.happens();
      await proxies.get(mode.id)?.kill();
      one.happens();
      proxies.set(mode.id, await proxyOf(mode));
      for (let events = 0; events < 5; events += 1) one.happens();
      expect(await reported(mode.id)).toEqual(one.happened);
    }
  },
);

describe("without a proxy", () => {
  test("a device is on a stream", async () => {
    await deviceOf("direct", server.url);
    await settled("direct", "stream");
    await publish();
    expect(await offered("direct")).toBe(revision);
  });

  test.each(["watch", "poll"] as const)("a device told to %s does that", async (transport) => {
    const id = `direct-${transport}`;
    const one = await deviceOf(id, server.url, { transport });
    await settled(id, transport);
    one.happens();
    expect(await reported(id)).toEqual(one.happened);
  });
});

test("a server whose certificate nobody known vouches for is not spoken to", async () => {
  const url = proxies.get(modes[0]?.id ?? "")?.url ?? "";
  const stateDir = folder.join("state-of-careful");
  const { rootCertificates } = await import("node:tls");
  const careful = new LinkedDevice({
    server: url,
    id: "careful",
    authority: rootCertificates[0] ?? "",
    stateDir,
  });
  await careful.start();
  await eventually(
    "a refusal by the device",
    async () => await Promise.resolve(careful.refusals > 0 || undefined),
  );
  expect(careful.log.join("\n")).toMatch(/certificate|issuer/i);
  expect(careful.directives).toEqual([]);
  await careful[Symbol.asyncDispose]();
  expect(await operator.device("careful")).toBeUndefined();
});
