import { join } from "node:path";

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import type { CacheFault } from "../src/cache-fault.ts";
import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";
import { newerNix } from "../src/newer-nix.ts";

const newer = newerNix();

/** Copies give up at once. */
const FETCH = {
  stallMs: 10_000,
  sampleMs: 100,
  retryFirstMs: 50,
  retryMaxMs: 100,
  totalMs: 60_000,
};

// The versions differ in the JSON of paths, in the events of a copy and in most of their sentences.
// oxfmt-ignore
const versions: readonly (readonly [string, { readonly nix?: string }])[] = [
  ["of this host", {}],
  ["of the next release", newer === undefined ? {} : { nix: newer }],
];

describe.each(versions)("with the nix %s", (which, options) => {
  const impossible =
    which === "of the next release" && newer === undefined
      ? "scripts/setup could not fetch a newer nix here: it takes Debian's apt and its mirror"
      : undefined;
  let fleet: Fleet;
  let fridge: FleetDevice;
  let factory: string;
  let generation = 0;

  beforeEach((context) => {
    if (impossible !== undefined) context.skip(impossible);
  });

  beforeAll(async () => {
    if (impossible !== undefined) return;
    fleet = await Fleet.open(options);
    factory = await fleet.build({ gen: 0 });
    fridge = await fleet.device("fridge", factory, { settings: { fetch: FETCH } });
  });

  afterAll(async () => {
    await fleet?.[Symbol.asyncDispose]();
  });

  const running = async () => (await fridge.device.links()).running;
  const published = async (mode: "ok" | "fail-health" = "ok") => {
    generation += 1;
    const storePath = await fleet.build({ gen: generation, mode });
    await fleet.publish(storePath);
    const known = new Set(await fleet.workshop.builder.closure(factory));
    const all = await fleet.workshop.builder.closure(storePath);
    const fresh = all.filter((path) => !known.has(path));
    return { storePath, fresh, etc: fresh.find((path) => path.endsWith("-etc")) ?? "" };
  };
  const attempted = async (expected: object) => {
    const result = await fridge.once(120_000);
    const ended = await fleet.operator.lastEnded("fridge");
    expect(ended, result.stderr).toMatchObject({ revision: generation, ...expected });
    return (await fleet.operator.device("fridge"))?.attempt;
  };

  // oxfmt-ignore
  test.each<[string, string, "narinfo" | "nar", CacheFault]>([
    ["corrupt",  "CORRUPT_CACHE",  "nar",     { kind: "corrupt" }],
    ["unsigned", "UNTRUSTED_PATH", "narinfo", { kind: "unsigned" }],
    ["absent",   "NOT_IN_CACHE",   "narinfo", { kind: "status", status: 404 }],
  ])("a path that is %s is told as %s", async (_, failure, part, fault) => {
    const { etc } = await published();
    using _injected = fleet.own.cache.inject({ on: { storePath: etc, part }, fault });
    await attempted({ outcome: "FAILED", failure });
    expect(await running()).toBe(factory);
  });

  test("is what the device runs", async () => {
    const { nix } = options;
    const argv = ["nix-store", "--version"];
    const used = await fridge.device.run(argv);
    expect(used).toMatch(/^nix-store \(Nix\) \d/);
    if (nix !== undefined)
      expect(used).toBe(await fridge.device.run([join(nix, "nix-store"), "--version"]));
  });

  test("an update tells what it fetched, and mends what was broken in the store before it runs it", async () => {
    const { storePath, etc, fresh } = await published();
    const { workshop, own } = fleet;
    own.cache.resetTraffic();
    // It arrived earlier and was broken since; nix has it for valid.
    await fridge.device.run(["nix", "copy", "--from", `file://${workshop.cacheDir}`, "--", etc]);
    await fridge.device.run(["sh", "-c", 'chmod -R u+w "$1" && : >"$1/etc/hostname"', "-", etc]);
    const attempt = await attempted({ outcome: "APPLIED" });
    expect(await running()).toBe(storePath);
    expect(attempt?.fetch?.pathsDone).toBeGreaterThan(0);
    expect(attempt?.fetch?.pathsDone).toBeLessThan(fresh.length);
    expect(Number(attempt?.fetch?.bytesDone)).toBeGreaterThan(0);
    expect(Number(attempt?.fetch?.bytesDone)).toBeLessThanOrEqual(own.cache.traffic().narBytes);
    await fridge.device.run(["nix", "store", "verify", "--no-trust", "--recursive", storePath]);
  });

  test("a system that fails goes back, and a collection of garbage leaves what runs whole", async () => {
    const before = await running();
    await published("fail-health");
    await attempted({ outcome: "ROLLED_BACK" });
    expect(await fridge.resting()).toEqual([before, before, before]);
    await fridge.device.run(["nix-store", "--gc"]);
    await fridge.device.run(["nix", "store", "verify", "--no-trust", "--recursive", before ?? ""]);
  });
});
