import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { SystemOptions } from "../src/builder.ts";
import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";

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

test("another kernel is proven as far as it can be, and waits for a reboot", async () => {
  const { device, ended, storePath } = await take({ kernel: "6.6.31" });
  expect(await restingLinks(device)).toEqual([storePath, storePath, storePath]);
  expect(ended).toMatchObject({ outcome: "APPLIED" });
  expect((await fleet.operator.device(device.name))?.attempt?.rebootRequired).toBe(true);
});

describe("a closure that would cut the device off", () => {
  test("is refused when it has no agent", async () => {
    const { device, ended } = await take({ agent: "no" });
    expect(await restingLinks(device)).toEqual([factory, factory, factory]);
    expect(ended).toMatchObject({ outcome: "FAILED", failure: "ORPHANED" });
  });

  test("is refused when it follows another channel", async () => {
    const agentJson = { ...fleet.agentJson(), channel: "beta" };
    const { ended } = await take({ agentJson });
    expect(ended).toMatchObject({ outcome: "FAILED", failure: "ORPHANED" });
  });

  test("is refused when it trusts none of the device's keys", async () => {
    const publicKey = "other:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";
    const { ended } = await take({ agentJson: { ...fleet.agentJson(), publicKey } });
    expect(ended).toMatchObject({ outcome: "FAILED", failure: "ORPHANED" });
  });
});

/** Publishes a system and lets a new device take it; gives what device and server say afterwards. */
async function take(system: Omit<SystemOptions, "gen">) {
  generation += 1;
  const storePath = await fleet.build({ agentJson: fleet.agentJson(), ...system, gen: generation });
  await fleet.publish(storePath);
  const name = `device-${generation}`;
  const device = await fleet.device(name, factory);
  const result = await device.once(90_000);
  const ended = await fleet.operator.lastEnded(name);
  expect(ended, result.stderr).toBeDefined();
  return { device, ended, storePath };
}

/** What runs, what the profile names, what boots next. */
async function restingLinks({ device }: FleetDevice) {
  const { running, profile, bootDefault } = await device.links();
  return [running, profile, bootDefault];
}
