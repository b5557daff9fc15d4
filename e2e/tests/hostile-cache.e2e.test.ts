import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { CacheFault } from "../src/cache-fault.ts";
import { CacheKey } from "../src/cache-key.ts";
import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";
import { poisonPath } from "../src/poison.ts";

let fleet: Fleet;
let fridge: FleetDevice;
let factory: string;
let strangersKey: CacheKey;
let generation = 0;

/** Copies give up at once: how a copy is tried again is told by the last tests. */
const FETCH = { stallMs: 800, sampleMs: 100, retryFirstMs: 50, retryMaxMs: 100, totalMs: 20_000 };

beforeAll(async () => {
  fleet = await Fleet.open();
  factory = await fleet.build({ gen: 0 });
  strangersKey = await CacheKey.create("stranger-1", fleet.workshop.folder.join("stranger.key"));
  fridge = await fleet.device("fridge", factory, { settings: { fetch: FETCH } });
});

afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

type Row = readonly [
  what: string,
  failure: string,
  part: "narinfo" | "nar" | "both",
  fault: () => CacheFault,
];

// oxfmt-ignore
const faults: readonly Row[] = [
  ["leaves a path unsigned",               "UNTRUSTED_PATH",    "narinfo", () => ({ kind: "unsigned" })],
  ["signs a path with a key of its own",   "UNTRUSTED_PATH",    "narinfo", () => ({ kind: "wrong-key", key: strangersKey })],
  ["serves corrupt bytes",                 "CORRUPT_CACHE",     "nar",     () => ({ kind: "corrupt" })],
  ["lacks a path",                         "NOT_IN_CACHE",      "narinfo", () => ({ kind: "status", status: 404 })],
  ["has lost the contents of a path",      "NOT_IN_CACHE",      "nar",     () => ({ kind: "status", status: 404 })],
  ["answers with errors",                  "CACHE_UNREACHABLE", "nar",     () => ({ kind: "status", status: 503 })],
  ["stalls in the middle of a path",       "CACHE_STALLED",     "nar",     () => ({ kind: "stall", afterBytes: 1 })],
  ["takes a request and never answers",    "CACHE_STALLED",     "nar",     () => ({ kind: "no-answer" })],
  ["resets the connection",                "CACHE_UNREACHABLE", "nar",     () => ({ kind: "reset", afterBytes: 10 })],
];

describe("a cache", () => {
  test.each(faults)(
    "that %s activates nothing and is reported as %s",
    async (_, failure, part, fault) => {
      const storePath = await published();
      const etc = (await newPaths(storePath)).find((path) => path.endsWith("-etc"));
      using _injected = fleet.own.cache.inject({
        on: { storePath: etc ?? storePath, part },
        fault: fault(),
      });
      const result = await fridge.once(90_000);
      const ended = await fleet.operator.lastEnded("fridge");
      expect(ended, result.stderr).toMatchObject({
        revision: generation,
        outcome: "FAILED",
        failure,
      });
      expect(await running()).toBe(factory);
    },
  );

  test("that trickles is given up on by its rate", async () => {
    const storePath = await published({ bigMebibytes: 1 });
    await fridge.configure({
      settings: { fetch: { ...FETCH, minBytesPerS: 20_000, rateWindowMs: 1_500 } },
    });
    const blob = (await newPaths(storePath)).find((path) => path.includes("-blob-"));
    using _injected = fleet.own.cache.inject({
      on: { storePath: blob ?? "", part: "nar" },
      fault: { kind: "trickle", bytes: 100, everyMs: 100 },
    });
    const result = await fridge.once(90_000);
    expect(await fleet.operator.lastEnded("fridge"), result.stderr).toMatchObject({
      outcome: "FAILED",
      failure: "CACHE_STALLED",
    });
    expect(await running()).toBe(factory);
  });

  test("that sends without end is cut off at the byte budget", async () => {
    const storePath = await published();
    await fridge.configure({
      settings: { fetch: { ...FETCH, budgetSlackBytes: 1_000_000 } },
    });
    fleet.own.cache.resetTraffic();
    const etc = (await newPaths(storePath)).find((path) => path.endsWith("-etc"));
    using _injected = fleet.own.cache.inject({
      on: { storePath: etc ?? "", part: "both" },
      fault: { kind: "endless", limitBytes: 2_000_000_000 },
    });
    const result = await fridge.once(90_000);
    expect(await fleet.operator.lastEnded("fridge"), result.stderr).toMatchObject({
      outcome: "FAILED",
      failure: "TOO_MUCH_DATA",
    });
    expect(fleet.own.cache.traffic().narBytes).toBeLessThan(1_000_000_000);
    expect(await running()).toBe(factory);
  });

  test("whose key was stolen and that serves other contents under a path activates nothing", async () => {
    const storePath = await published();
    await fridge.configure({ settings: { fetch: FETCH } });
    const etc = (await newPaths(storePath)).find((path) => path.endsWith("-etc")) ?? "";
    const outDir = fleet.workshop.folder.join("poison");
    await poisonPath({
      builder: fleet.workshop.builder,
      cacheDir: fleet.own.cache.dir,
      key: fleet.own.key,
      storePath: etc,
      file: "etc/hostname",
      outDir,
    });
    const injected = fleet.own.cache.inject({
      on: { storePath: etc, part: "both" },
      fault: { kind: "poisoned", dir: outDir },
    });
    const result = await fridge.once(90_000);
    expect(await fleet.operator.lastEnded("fridge"), result.stderr).toMatchObject({
      outcome: "FAILED",
      failure: "DIGEST_MISMATCH",
    });
    expect((await fleet.operator.lastEnded("fridge"))?.message).toContain(etc);
    expect(await running()).toBe(factory);
    injected[Symbol.dispose]();
  });

  test("that heals lets the same release through, poisoned path and all", async () => {
    const result = await fridge.once(90_000);
    expect(await fleet.operator.lastEnded("fridge"), result.stderr).toMatchObject({
      revision: generation,
      outcome: "APPLIED",
    });
    expect(await running()).not.toBe(factory);
  });

  test("that fails twice and then answers costs two tries within one attempt", async () => {
    factory = (await running()) ?? "";
    const storePath = await published();
    const etc = (await newPaths(storePath)).find((path) => path.endsWith("-etc"));
    using _injected = fleet.own.cache.inject({
      on: { storePath: etc ?? "", part: "nar" },
      fault: { kind: "status", status: 503 },
      times: 2,
    });
    const result = await fridge.once(90_000);
    expect(await fleet.operator.lastEnded("fridge"), result.stderr).toMatchObject({
      outcome: "APPLIED",
    });
    expect(await running()).toBe(storePath);
  });
});

async function published(system: { readonly bigMebibytes?: number } = {}): Promise<string> {
  generation += 1;
  const storePath = await fleet.build({ gen: generation, ...system });
  await fleet.publish(storePath);
  return storePath;
}

/** What the device lacks of a closure: paths that differ from the factory system's. */
async function newPaths(storePath: string): Promise<string[]> {
  const { builder } = fleet.workshop;
  const known = new Set(await builder.closure(factory));
  return (await builder.closure(storePath)).filter((path) => !known.has(path));
}

async function running(): Promise<string | null> {
  return (await fridge.device.links()).running;
}
