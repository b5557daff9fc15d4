import { Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { SystemMode, SystemOptions } from "../src/builder.ts";
import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";
import { HOST_SYSTEM } from "../src/host-system.ts";

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

const ORDERS = ["prove-first", "switch"] as const;

type Row = readonly [
  mode: SystemMode,
  outcome: "ROLLED_BACK" | "FAILED",
  failure: string,
  what: string,
];

// oxfmt-ignore
const failing: readonly Row[] = [
  // mode             outcome        failure               what went wrong
  ["fail",            "ROLLED_BACK", "ACTIVATION_FAILED",  "a snippet of the activation script fails (exit 2)"],
  ["exit4",           "ROLLED_BACK", "UNITS_FAILED",       "a unit newly fails (exit 4)"],
  ["crash",           "ROLLED_BACK", "ACTIVATION_FAILED",  "switch-to-configuration is killed in the middle"],
  ["hang",            "ROLLED_BACK", "ACTIVATION_TIMEOUT", "activation hangs"],
  ["hang-trap",       "ROLLED_BACK", "ACTIVATION_TIMEOUT", "activation hangs and ignores SIGTERM"],
  ["fail-health",     "ROLLED_BACK", "HEALTH_FAILED",      "the health check fails"],
  ["flap-health",     "ROLLED_BACK", "HEALTH_FAILED",      "the health check passes every other time"],
  ["hang-health",     "ROLLED_BACK", "HEALTH_FAILED",      "the health check hangs"],
  ["exit1",           "FAILED",      "ACTIVATION_REFUSED", "a pre-switch check refuses (exit 1)"],
  ["empty",           "FAILED",      "NOT_A_SYSTEM",       "switch-to-configuration is a file of no bytes"],
];

describe.each(ORDERS)("a system that fails, in the order %s,", (order) => {
  test.each(failing)(
    "%s: ends on the previous system, %s with %s: %s",
    async (mode, outcome, failure) => {
      const { device, ended, events } = await take({ mode }, order);
      expect(await restingLinks(device)).toEqual([factory, factory, factory]);
      expect(ended).toMatchObject({ outcome, failure });
      expect(ended?.message.length).toBeGreaterThan(10);
      expect(events).toBe(1);
    },
  );

  test("fail-bootloader: a boot loader that cannot be written ends on the previous system", async () => {
    const { device, ended } = await take({ mode: "fail-bootloader" }, order);
    expect(await restingLinks(device)).toEqual([factory, factory, factory]);
    expect(ended?.outcome).toMatch(/ROLLED_BACK|FAILED/);
    expect(ended?.failure).toMatch(/COMMIT_FAILED|ACTIVATION_REFUSED|ACTIVATION_FAILED/);
  });

  test("a unit that had failed before does not count against the new system", async () => {
    const { device, ended, storePath } = await take({ failing: ["printer.service"] }, order, {
      failedBefore: "printer.service",
    });
    expect(await restingLinks(device)).toEqual([storePath, storePath, storePath]);
    expect(ended).toMatchObject({ outcome: "APPLIED" });
  });
});

test("another kernel is proven as far as it can be, and waits for a reboot", async () => {
  const { device, ended, storePath } = await take({ kernel: "6.6.31" }, "prove-first");
  expect(await restingLinks(device)).toEqual([storePath, storePath, storePath]);
  expect(ended).toMatchObject({ outcome: "APPLIED" });
  expect((await fleet.operator.device(device.name))?.attempt?.rebootRequired).toBe(true);
});

describe("a closure that would cut the device off", () => {
  test("is refused when it has no agent", async () => {
    const { device, ended } = await take({ agent: "no" }, "prove-first");
    expect(await restingLinks(device)).toEqual([factory, factory, factory]);
    expect(ended).toMatchObject({ outcome: "FAILED", failure: "ORPHANED" });
  });

  test("is refused when it follows another channel", async () => {
    const agentJson = { ...fleet.agentJson(), channel: "beta" };
    const { ended } = await take({ agentJson }, "prove-first");
    expect(ended).toMatchObject({ outcome: "FAILED", failure: "ORPHANED" });
  });

  test("is refused when it trusts none of the device's keys", async () => {
    const publicKey = "other:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";
    const { ended } = await take({ agentJson: { ...fleet.agentJson(), publicKey } }, "prove-first");
    expect(ended).toMatchObject({ outcome: "FAILED", failure: "ORPHANED" });
  });
});

/** Publishes a system and lets a new device take it; gives what device and server say afterwards. */
async function take(
  system: Omit<SystemOptions, "gen">,
  order: (typeof ORDERS)[number],
  before: { readonly failedBefore?: string } = {},
) {
  generation += 1;
  const storePath = await fleet.build({ agentJson: fleet.agentJson(), ...system, gen: generation });
  // The command line refuses a system that cannot be switched to, unless it never sees its files.
  const unseen = ["--trust-cache", "--system", HOST_SYSTEM];
  await fleet.publish(storePath, ...(system.mode === "empty" ? unseen : []));
  const name = `device-${generation}`;
  const device = await fleet.device(name, factory, { activation: order });
  if (before.failedBefore !== undefined) {
    await device.device.run(["tee", `/run/sim/failed-units/${before.failedBefore}`], { input: "" });
  }
  const result = await device.once(90_000);
  const ended = await fleet.operator.lastEnded(name);
  expect(ended, result.stderr).toBeDefined();
  const events = (await fleet.operator.events(name)).filter(
    ({ attempt }) => attempt !== undefined && attempt.outcome !== Outcome.UNSPECIFIED,
  ).length;
  return { device, ended, events, storePath };
}

/** What runs, what the profile names, what boots next. */
async function restingLinks({ device }: FleetDevice) {
  const { running, profile, bootDefault } = await device.links();
  return [running, profile, bootDefault];
}
