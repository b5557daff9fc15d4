import { FailureCode, Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";

let fleet: Fleet;
let factory: string;
let devices = 0;

beforeAll(async () => {
  fleet = await Fleet.open();
  factory = await fleet.build({ gen: 0 });
});

afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

type Row = readonly [
  order: "prove-first" | "switch",
  state: string,
  at: "entered" | "leaving",
  boots: "previous" | "new",
  ends: readonly (keyof typeof Outcome)[],
];

describe("a power cut on the way to a good release", () => {
  let good: string;

  beforeAll(async () => {
    good = await fleet.build({ gen: 1 });
    await fleet.publish(good);
  });

  // oxfmt-ignore
  const rows: readonly Row[] = [
    // order         state         at         boots       the attempts end
    ["prove-first", "fetching",   "leaving", "previous", ["APPLIED"]],
    ["prove-first", "probation",  "leaving", "previous", ["INTERRUPTED", "APPLIED"]],
    ["prove-first", "committing", "leaving", "new",      ["APPLIED"]],
    ["switch",      "activating", "entered", "previous", ["INTERRUPTED", "APPLIED"]],
    ["switch",      "probation",  "entered", "new",      ["APPLIED"]],
    ["switch",      "committing", "leaving", "new",      ["APPLIED"]],
  ];

  test.each(rows)(
    "in the order %s, in %s, %s, boots the %s system and ends as %j",
    async (order, state, at, boots, outcomes) => {
      const fridge = await device(order);
      await fridge.crash(state, at);
      await cutPower(fridge);
      const booted = boots === "new" ? good : factory;
      expect(await resting(fridge)).toEqual([booted, booted, booted]);
      // An interrupted attempt that had moved the profile ends with its return.
      for (let starts = 0; starts < 2; starts += 1) await fridge.once();
      expect(await resting(fridge)).toEqual([good, good, good]);
      expect(await ends(fridge)).toEqual(outcomes);
    },
  );

  test("in staged, that took bytes of what was inspected already, activates none of it before a repair", async () => {
    const fridge = await device("prove-first");
    await fridge.crash("staged", "leaving");
    // What a file system may do to files that were written shortly before.
    const script = 'chmod u+w "$1" "$1/activate" && : > "$1/activate"';
    await fridge.device.run(["sh", "-c", script, "sh", good]);
    await cutPower(fridge);
    await fridge.once();
    expect(await resting(fridge)).toEqual([good, good, good]);
    await fridge.device.run(["nix", "store", "verify", "--no-trust", "--recursive", "--", good]);
    expect(await ends(fridge)).toEqual(["APPLIED"]);
  });
});

describe("a power cut on the way back from a bad release", () => {
  let bad: string;

  beforeAll(async () => {
    bad = await fleet.build({ gen: 2, mode: "fail-health" });
    await fleet.publish(bad);
  });

  test("in the order prove-first the reboot is the way back", async () => {
    const fridge = await device("prove-first");
    await fridge.crash("rollingBack", "entered");
    expect((await fridge.device.links()).running).toBe(bad);
    await cutPower(fridge);
    expect(await resting(fridge)).toEqual([factory, factory, factory]);
    await fridge.once();
    expect(await ends(fridge)).toEqual(["ROLLED_BACK"]);
    expect(await resting(fridge)).toEqual([factory, factory, factory]);
  });

  test("in the order switch it boots the bad one once more, and goes back at the first try", async () => {
    const fridge = await device("switch");
    await fridge.crash("rollingBack", "entered");
    // The return had come as far as the previous system, which the reboot has undone.
    const { attempt } = (await fridge.status()) as { attempt: { id: string } };
    const result = `${fridge.device.stateDir}/result/${attempt.id}-return-0-0.json`;
    await fridge.device.run(["tee", result], { input: '{"code":0,"timedOut":false}' });
    await cutPower(fridge);
    expect(await resting(fridge)).toEqual([bad, bad, bad]);
    await fridge.once();
    expect(await ends(fridge)).toEqual(["ROLLED_BACK"]);
    expect(await resting(fridge)).toEqual([factory, factory, factory]);
    const failures = (await fleet.operator.events(fridge.name)).map(
      (event) => event.attempt?.failureCode,
    );
    expect(failures).not.toContain(FailureCode.ROLLBACK_FAILED);
  });
});

describe("the way back is what was recorded", () => {
  test("not the generation before: another one was tried and left by hand", async () => {
    const other = await fleet.build({ gen: "other" });
    await fleet.publish(await fleet.build({ gen: 3, mode: "fail-health" }));
    const fridge = await device("switch");
    await fetchByHand(fridge, other);
    const profile = ["nix-env", "-p", "/nix/var/nix/profiles/system"];
    await fridge.device.run([...profile, "--set", other]);
    await fridge.device.run([...profile, "--switch-generation", "1"]);
    await fridge.once();
    expect(await ends(fridge)).toEqual(["ROLLED_BACK"]);
    expect(await resting(fridge)).toEqual([factory, factory, factory]);
    expect(await fridge.device.generations()).toEqual({ all: [1, 2], current: 1 });
  });

  test("also for the profile, when a person tried another system and the power goes", async () => {
    const tried = await fleet.build({ gen: "tried" });
    await fleet.publish(await fleet.build({ gen: 4, mode: "fail-bootloader" }));
    const fridge = await device("prove-first");
    await fetchByHand(fridge, tried);
    await fridge.device.run([`${tried}/bin/switch-to-configuration`, "test"]);
    expect(await resting(fridge)).toEqual([tried, factory, factory]);
    // The profile names the release already, the boot loader does not.
    await fridge.crash("rollingBack", "entered");
    await cutPower(fridge);
    await fridge.once();
    expect(await ends(fridge)).toEqual(["ROLLED_BACK"]);
    expect(await resting(fridge)).toEqual([factory, factory, factory]);
  });
});

async function device(order: Row[0]): Promise<FleetDevice> {
  devices += 1;
  return await fleet.device(`fridge-${devices}`, factory, { activation: order });
}

async function fetchByHand(fridge: FleetDevice, storePath: string): Promise<void> {
  const from = `file://${fleet.own.cache.dir}`;
  await fridge.device.run(["nix", "copy", "--no-check-sigs", "--from", from, "--", storePath]);
}

async function cutPower({ device: machine }: FleetDevice): Promise<void> {
  await machine.powerOff();
  await machine.boot();
}

/** What runs, what the profile names, what boots next. */
async function resting({ device: machine }: FleetDevice) {
  const { running, profile, bootDefault } = await machine.links();
  return [running, profile, bootDefault];
}

/** How the attempts of a device ended, as the server keeps it: one for each attempt. */
async function ends({ name }: FleetDevice): Promise<(string | undefined)[]> {
  const ended = (await fleet.operator.events(name)).flatMap(({ attempt }) =>
    attempt === undefined || attempt.outcome === Outcome.UNSPECIFIED ? [] : [attempt],
  );
  expect(new Set(ended.map(({ id }) => id)).size).toBe(ended.length);
  const names = Object.entries(Outcome);
  return ended.map(({ outcome }) => names.find(([, number]) => number === outcome)?.[0]);
}
