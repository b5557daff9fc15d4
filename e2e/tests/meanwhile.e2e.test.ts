import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { eventually } from "../src/eventually.ts";
import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";

type Status = {
  readonly state: string;
  readonly quarantinedRevisions: readonly number[];
  readonly lastAttempt?: object;
};

let fleet: Fleet;
let factory: string;
let generation = 0;

beforeAll(async () => {
  fleet = await Fleet.open();
  factory = await fleet.build({ gen: 0 });
});

afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

describe("while a device updates", () => {
  test("a server that goes away costs a try and no quarantine, and the release comes with it", async () => {
    const fridge = await fleet.device("alone", factory, {
      settings: { probation: { limitMs: 1_000, passIntervalMs: 200 } },
    });
    const storePath = await published({ mode: "slow", seconds: 2 });
    await fridge.startAgent();
    await inState(fridge, "activating");
    fleet.server.handle.kill("SIGKILL");
    await fleet.server.handle.exited;
    const undone = await eventually("the return", async () => {
      const { lastAttempt, quarantinedRevisions } = (await fridge.status()) as Status;
      return lastAttempt === undefined ? undefined : { lastAttempt, quarantinedRevisions };
    });
    expect(undone).toMatchObject({
      quarantinedRevisions: [],
      lastAttempt: { outcome: "rolled_back", failureCode: "CONTACT_LOST" },
    });
    expect(await fridge.resting()).toEqual([factory, factory, factory]);
    await fleet.restartServer("killed");
    await ended(fridge, "APPLIED");
    await fridge.stopAgent();
    expect(await fridge.resting()).toEqual([storePath, storePath, storePath]);
    expect(await fleet.operator.outcomes(fridge.name)).toEqual(["ROLLED_BACK", "APPLIED"]);
  });

  test("a server that was away before is not the release's fault", async () => {
    const fridge = await fleet.device("offline", factory, {
      settings: { probation: { limitMs: 1_000, passIntervalMs: 200, contactWithinMs: 0 } },
    });
    const storePath = await published({ mode: "slow", seconds: 2 });
    await fridge.startAgent();
    await inState(fridge, "activating");
    fleet.server.handle.kill("SIGKILL");
    await fleet.server.handle.exited;
    await eventually("the commit", async () =>
      (await fridge.device.links()).bootDefault === storePath ? true : undefined,
    );
    await fleet.restartServer("killed");
    await ended(fridge, "APPLIED");
    await fridge.stopAgent();
    expect(await fleet.operator.outcomes(fridge.name)).toEqual(["APPLIED"]);
  });

  test("a newer release takes the place of one whose copy stalls", async () => {
    const fridge = await fleet.device("keen", factory, {
      settings: { fetch: { stallMs: 60_000 }, nix: { stallTimeoutS: 60 } },
    });
    const stalling = await published();
    using _injected = fleet.own.cache.inject({
      on: { storePath: stalling, part: "nar" },
      fault: { kind: "stall", afterBytes: 1 },
    });
    await fridge.startAgent();
    await inState(fridge, "fetching");
    const newer = await published();
    await ended(fridge, "APPLIED");
    await fridge.stopAgent();
    expect(await fridge.resting()).toEqual([newer, newer, newer]);
    expect(await fleet.operator.outcomes(fridge.name)).toEqual(["SUPERSEDED", "APPLIED"]);
    const roots = (await fridge.device.gcRoots()).map(({ link }) => link);
    expect(roots.filter((link) => link.includes("nix-ota")).length).toBe(1);
  });
});

describe("an agent", () => {
  test("that was away for the whole of a probation does not hold it against the release", async () => {
    const fridge = await fleet.device("late", factory, {
      settings: { probation: { limitMs: 1, passIntervalMs: 50 } },
    });
    const storePath = await published();
    await fridge.crash("probation", "entered");
    const resumed = await fridge.once();
    expect(await fridge.resting(), resumed.stderr).toEqual([storePath, storePath, storePath]);
    expect(await fleet.operator.outcomes(fridge.name)).toEqual(["APPLIED"]);
  });

  test("beside which a second one starts makes one attempt", async () => {
    const fridge = await fleet.device("twin", factory);
    const storePath = await published();
    const both = await Promise.all([fridge.once(), fridge.once()]);
    // The second gives up when the first takes too long.
    expect(both.map(({ code }) => code)).toContain(0);
    expect(await fridge.resting()).toEqual([storePath, storePath, storePath]);
    expect(await fleet.operator.outcomes(fridge.name)).toEqual(["APPLIED"]);
  });

  test("that dies before the first byte has the floor for good", async () => {
    const fridge = await fleet.device("thirsty", factory);
    await published();
    await fridge.crash("accepted", "entered");
    expect(await fridge.status()).toMatchObject({ floorRevision: generation });
  });
});

async function published(system: { mode?: "slow"; seconds?: number } = {}): Promise<string> {
  generation += 1;
  const storePath = await fleet.build({ gen: generation, ...system });
  await fleet.publish(storePath);
  return storePath;
}

async function inState(fridge: FleetDevice, state: string): Promise<void> {
  await eventually(
    `${fridge.name} ${state}`,
    async () => (((await fridge.status()) as Status).state === state ? true : undefined),
    { describe: () => fridge.agent?.stderr().slice(-2000) ?? "" },
  );
}

/** Waits for the newest attempt's end on the server. */
async function ended(fridge: FleetDevice, outcome: string): Promise<void> {
  await eventually(
    `${fridge.name} ${outcome} on the server`,
    async () =>
      (await fleet.operator.lastEnded(fridge.name))?.outcome === outcome ? true : undefined,
    { describe: () => fridge.agent?.stderr().slice(-2000) ?? "" },
  );
}
