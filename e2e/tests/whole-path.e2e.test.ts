import { AgentState, Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { DATABASES, ServerDatabase } from "../src/databases.ts";
import { eventually } from "../src/eventually.ts";
import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";

/**
 * One story, told in order: each test goes on where the one before ended, because a fleet has a
 * past and the rules are about it.
 */
describe.each(DATABASES)("the whole path on %s", (kind) => {
  let database: ServerDatabase;
  let fleet: Fleet;
  let fridge: FleetDevice;
  const systems = new Map<string, string>();

  beforeAll(async () => {
    database = await ServerDatabase.open(kind);
    fleet = await Fleet.open(database.url === undefined ? {} : { databaseUrl: database.url });
    const factory = await fleet.build({ gen: 0 });
    systems.set("factory", factory);
    fridge = await fleet.device("fridge", factory);
  });

  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
  });

  /** By the names of the systems instead of their store paths. */
  async function links() {
    const named = (path: string | null) =>
      [...systems].find(([, storePath]) => storePath === path)?.[0] ?? path;
    const { running, profile, bootDefault } = await fridge.device.links();
    return { running: named(running), profile: named(profile), bootDefault: named(bootDefault) };
  }

  const all = (name: string) => ({ running: name, profile: name, bootDefault: name });

  async function seen() {
    const device = await fleet.operator.device("fridge");
    return {
      state: device?.state,
      floor: device?.floor?.revision,
      committed: device?.committedRevision,
      quarantined: device?.quarantinedRevisions,
    };
  }

  test("a device with nothing published waits, and the server says why", async () => {
    const result = await fridge.once();
    expect(result, result.stderr).toMatchObject({ code: 0 });
    const { sentence } = await fleet.operator.devices.explainDevice({ deviceId: "fridge" });
    expect(sentence).toMatch(/nothing|no release|not.* published/i);
    expect(await links()).toEqual(all("factory"));
  });

  test("the first publish makes the channel and a fresh device takes r1", async () => {
    const r1 = await fleet.build({ gen: 1 });
    systems.set("r1", r1);
    await fleet.publish(r1);
    fleet.own.cache.resetTraffic();
    const result = await fridge.once();
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expect(await links()).toEqual(all("r1"));
    expect(await seen()).toEqual({
      state: AgentState.IDLE,
      floor: 1n,
      committed: 1n,
      quarantined: [],
    });
    const reported = (await fleet.operator.device("fridge"))?.attempt?.fetch;
    expect(reported?.pathsDone).toBe(fleet.own.cache.traffic().nars);
  });

  test("publishing what is head already changes nothing and succeeds", async () => {
    const again = await fleet.publish(systems.get("r1") ?? "");
    expect(again.stdout + again.stderr).toMatch(/already/);
    const { release } = await fleet.operator.publish.getRelease({ channel: "prod" });
    expect(release?.revision).toBe(1n);
  });

  test("r2 transfers only the paths that are new in it", async () => {
    const r2 = await fleet.build({ gen: 2 });
    systems.set("r2", r2);
    await fleet.publish(r2);
    const builder = fleet.workshop.builder;
    const before = new Set(await builder.closure(systems.get("r1") ?? ""));
    const added = (await builder.closure(r2)).filter((path) => !before.has(path));
    fleet.own.cache.resetTraffic();
    const result = await fridge.once();
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expect(await links()).toEqual(all("r2"));
    const traffic = fleet.own.cache.traffic();
    expect(traffic.nars).toBe(added.length);
    const fetched = (await fleet.operator.device("fridge"))?.attempt?.fetch;
    expect(fetched).toMatchObject({ pathsDone: added.length, pathsTotal: added.length });
    expect(Number(fetched?.bytesDone)).toBe(traffic.narBytes);
  });

  test("a release that fails its health check is undone and never tried again by itself", async () => {
    const r3 = await fleet.build({ gen: 3, mode: "fail-health" });
    systems.set("r3", r3);
    await fleet.publish(r3);
    const result = await fridge.once();
    expect(result.code, result.stderr).not.toBe(0);
    expect(await links()).toEqual(all("r2"));
    expect(await fleet.operator.lastEnded("fridge")).toMatchObject({
      revision: 3,
      outcome: "ROLLED_BACK",
      failure: "HEALTH_FAILED",
    });
    expect(await seen()).toEqual({
      state: AgentState.IDLE,
      floor: 3n,
      committed: 2n,
      quarantined: [3n],
    });
    fleet.own.cache.resetTraffic();
    await fridge.once();
    expect(fleet.own.cache.traffic().nars).toBe(0);
    expect(await links()).toEqual(all("r2"));
    const { sentence } = await fleet.operator.devices.explainDevice({ deviceId: "fridge" });
    expect(sentence).toMatch(/r3/);
  });

  test("the command line tells the same: list, show, why, releases", async () => {
    const access = ["--server", fleet.server.url, "--token-file", fleet.tokenFile];
    const list = await fleet.cli("device", "list", ...access);
    expect(list.stdout).toMatch(/fridge.*rolled_back/s);
    const why = await fleet.cli("device", "why", "fridge", ...access);
    expect(why.stdout).toMatch(/r3/);
    const show = (await fleet.cliJson("device", "show", "fridge", ...access)) as object;
    expect(JSON.stringify(show)).toMatch(/rolled_back/);
    const releases = await fleet.cli("release", "list", "--channel", "prod", ...access);
    expect(releases.stdout).toMatch(/r3[\s\S]*r2[\s\S]*r1/);
  });

  test("the way back is a new revision with the content that worked", async () => {
    await fleet.publish(systems.get("r2") ?? "");
    const result = await fridge.once();
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expect(await links()).toEqual(all("r2"));
    expect(await seen()).toMatchObject({ floor: 4n, committed: 4n });
  });

  test("a killed server comes back with all that it acknowledged", async () => {
    const before = await fleet.operator.events("fridge");
    await fleet.restartServer("killed");
    expect((await fleet.operator.events("fridge")).map(({ id }) => id)).toEqual(
      before.map(({ id }) => id),
    );
    const { release } = await fleet.operator.publish.getRelease({ channel: "prod" });
    expect(release?.revision).toBe(4n);
  });

  test("a running agent takes what is published meanwhile, and reports while the server was away are not lost", async () => {
    // Long enough for a killed server to come back: its silence alone would count as the update's.
    await fridge.configure({ settings: { probation: { limitMs: 60_000, passIntervalMs: 200 } } });
    const agent = await fridge.startAgent();
    const r5 = await fleet.build({ gen: 5, mode: "slow", seconds: 2 });
    systems.set("r5", r5);
    await fleet.publish(r5);
    await eventually(
      "activation of r5",
      async () => ((await fridge.device.links()).running === r5 ? true : undefined),
      { describe: () => agent.stderr().slice(-2000) },
    );
    await fleet.restartServer("killed");
    await eventually(
      "the commit of r5 on the server",
      async () =>
        (await fleet.operator.device("fridge"))?.committedRevision === 5n ? true : undefined,
      { describe: () => agent.stderr().slice(-2000) },
    );
    await fridge.stopAgent();
    expect(await links()).toEqual(all("r5"));
    const ends = (await fleet.operator.events("fridge")).filter(
      ({ attempt }) => attempt?.revision === 5n && attempt.outcome !== Outcome.UNSPECIFIED,
    );
    expect(ends.map(({ attempt }) => attempt?.outcome)).toEqual([Outcome.APPLIED]);
  });

  test("every attempt ended exactly once in what the server keeps", async () => {
    const events = await fleet.operator.events("fridge");
    const ends = events
      .filter(({ attempt }) => attempt !== undefined && attempt.outcome !== Outcome.UNSPECIFIED)
      .map(({ attempt }) => attempt?.id);
    expect(ends.length).toBe(new Set(ends).size);
    expect(events.map(({ number }) => Number(number))).toEqual(events.map((_, index) => index + 1));
  });
});
