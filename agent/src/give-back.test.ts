import { afterEach, beforeEach, expect, test } from "vitest";

import type { Agent } from "./agent.ts";
import { parseConfig } from "./config.ts";
import { caughtUp, noContact } from "./contact.ts";
import { giveBack } from "./give-back.ts";
import { openNotebook } from "./notebook.ts";
import type { Ports } from "./ports/ports.ts";
import { loopbackDevice } from "./server/loopback-device.testkit.ts";
import { LoopbackServer } from "./server/loopback-server.testkit.ts";
import { journalFile } from "./state/journal-file.ts";
import { manifestStore } from "./state/manifest-store.ts";
import { memoryDisk } from "./state/memory-disk.testkit.ts";
import { outbox } from "./state/outbox.ts";
import { tidy } from "./steps/tidy.ts";
import { noTrust, withCommitted, withFloor } from "./trust.ts";

const never = new AbortController().signal;
const ENVELOPE = new TextEncoder().encode("the envelope of revision 8");
const MINUTE = 60_000;
const [COMMITTED, FLOOR, OLD] = ["c0", "f0", "0d"].map((pair) => pair.repeat(32)) as [
  string,
  string,
  string,
];

let server: LoopbackServer;
let agent: Agent;
let nowMs: number;

/** A device that committed revision 7 and has verified 8. */
beforeEach(async () => {
  server = await LoopbackServer.start();
  nowMs = 0;
  const disk = memoryDisk();
  const committed = { revision: 7, payloadSha256: COMMITTED, storePath: "/nix/store/r7" };
  const floor = { revision: 8, payloadSha256: FLOOR };
  let trust = withFloor(withCommitted(noTrust, "prod", committed), "prod", floor, 0);
  const ports = {
    disk,
    manifests: manifestStore(disk, "/state"),
    journal: journalFile(disk, "/state"),
    outbox: outbox(disk, "/state"),
    trust: {
      read: async () => await Promise.resolve(trust),
      recover: async () => await Promise.resolve(trust),
      write: async (next: typeof trust) => {
        trust = await Promise.resolve(next);
      },
    },
    clock: { monotonicMs: () => nowMs, wallS: () => 0, bootId: () => Promise.resolve("boot") },
    chance: { fraction: () => 0.5, id: () => "00000000" },
    links: { unroot: async () => await Promise.resolve() },
    deadMan: { drop: async () => await Promise.resolve() },
    activation: { forget: async () => await Promise.resolve() },
    bundles: { keep: async () => await Promise.resolve() },
    requests: { pending: async () => await Promise.resolve([]) },
    server: loopbackDevice(server.url),
    log: () => undefined,
  } as unknown as Ports;
  for (const directory of ["manifests", "outbox"]) await disk.makeDirectory(`/state/${directory}`);
  const config = parseConfig(
    JSON.stringify({
      server: "https://ota.example.org",
      channel: "prod",
      deviceId: "fridge",
      publicKey: "release:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=",
    }),
    "",
  );
  const notebook = await openNotebook(ports, config);
  agent = { ports, config, notebook, contact: noContact() };
  for (const name of [COMMITTED, OLD]) await ports.manifests.write(name, new Uint8Array([1]));
  await ports.manifests.write(FLOOR, ENVELOPE);
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

const returns = async (atMs: number) => {
  nowMs = atMs;
  await giveBack(agent, never);
  return server.returned.length;
};

test("the floor's envelope survives the tidying and is given back as it was verified", async () => {
  await tidy(agent, { do: "tidy" }, never);
  expect(await agent.ports.manifests.read(OLD)).toBeUndefined();
  expect(await returns(0)).toBe(1);
  expect(server.returned[0]).toEqual(ENVELOPE);
});

test("again only after ever longer waits, however often the server says that it is behind", async () => {
  const counts = [];
  for (const minutes of [0, 0.9, 1.5, 2.9, 3.5]) counts.push(await returns(minutes * MINUTE));
  expect(counts).toEqual([1, 1, 2, 2, 3]);
});

test("and from the beginning once the server had caught up", async () => {
  await returns(0);
  caughtUp(agent.contact);
  expect(await returns(1)).toBe(2);
});

test("a return that is refused, or that the server does not hear, is tried later", async () => {
  server.behaviour.refuseCalls = "OVERLOADED";
  expect(await returns(0)).toBe(0);
  server.behaviour.refuseCalls = undefined;
  const { port } = server;
  await server.crash();
  expect(await returns(2 * MINUTE)).toBe(0);
  await server.listen(port);
  expect(await returns(10 * MINUTE)).toBe(1);
});

test("where the envelope is gone nothing is given back", async () => {
  await agent.ports.manifests.keep([]);
  expect(await returns(0)).toBe(0);
});
