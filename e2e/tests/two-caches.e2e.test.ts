import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";

let fleet: Fleet;
let fridge: FleetDevice;

/** A device whose factory system came from no cache, so that it lacks nothing but what is tested. */
beforeAll(async () => {
  fleet = await Fleet.open();
  const { storePath: factory } = await fleet.buildSplit({ gen: 0 });
  const image = fleet.workshop.folder.join("image");
  await fleet.workshop.builder.push([factory], image);
  fridge = await fleet.device("fridge", factory, {}, image);
});

afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

describe("a closure that lies in two caches under two keys", () => {
  test("is not published while a cache is left out, and the missing paths are named", async () => {
    const { storePath } = await fleet.buildSplit({ gen: 99 });
    const refused = await fleet.cli(...fleet.publishArgv(storePath));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/lacks \d+ of \d+ paths: \/nix\/store\/.*package/);
    expect(refused.stderr).toMatch(/nix copy/);
  });

  test("installs, each path from the cache that has it", async () => {
    const { storePath, own, upstream } = await fleet.buildSplit({ gen: 1, changed: 10 });
    expect(Math.min(own.length, upstream.length)).toBeGreaterThan(5);
    await fleet.publish(storePath, "--substituter", fleet.upstream.cache.url);
    const result = await fridge.once();
    expect(await fleet.operator.lastEnded("fridge"), result.stderr).toMatchObject({
      revision: 1,
      outcome: "APPLIED",
    });
    expect((await fridge.device.links()).running).toBe(storePath);
    const [fromOwn, fromUpstream] = [fleet.own, fleet.upstream].map(({ cache }) => cache.traffic());
    expect(fromOwn?.nars).toBeGreaterThan(3);
    expect(fromUpstream?.nars).toBeGreaterThan(3);
    const reported = (await fleet.operator.device("fridge"))?.attempt?.fetch?.pathsDone;
    expect(reported).toBe((fromOwn?.nars ?? 0) + (fromUpstream?.nars ?? 0));
  });

  test("is refused by a device that does not trust the upstream key", async () => {
    const { storePath } = await fleet.buildSplit({ gen: 2, changed: 10 });
    await fleet.publish(storePath, "--substituter", fleet.upstream.cache.url);
    const before = await fridge.device.links();
    await fridge.configure({
      extraCachePublicKeys: [],
      settings: { fetch: { retryFirstMs: 50, retryMaxMs: 100 } },
    });
    const result = await fridge.once();
    expect(await fleet.operator.lastEnded("fridge"), result.stderr).toMatchObject({
      revision: 2,
      outcome: "FAILED",
      failure: "UNTRUSTED_PATH",
    });
    expect(await fridge.device.links()).toEqual(before);
  });
});
