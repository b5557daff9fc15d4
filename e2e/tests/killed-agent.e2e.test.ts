import { Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";

const ORDERS = ["prove-first", "switch"] as const;
const MOMENTS = ["entered", "leaving"] as const;
const FORWARD = [
  "accepted",
  "fetching",
  "staged",
  "armed",
  "activating",
  "probation",
  "committing",
];
const BACKWARD = ["activating", "probation", "rollingBack"];

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

function cases(states: readonly string[]) {
  return ORDERS.flatMap((order) =>
    states.flatMap((state) => MOMENTS.map((at) => [state, at, order] as const)),
  );
}

describe("an agent killed on its way to a good release", () => {
  let good: string;

  beforeAll(async () => {
    good = await fleet.build({ gen: 1 });
    await fleet.publish(good);
  });

  test.each(cases(FORWARD))(
    "in %s, %s, in the order %s, ends on the new system",
    async (state, at, order) => {
      const fridge = await killed(state, at, order);
      const resumed = await fridge.once();
      expect(await resting(fridge), resumed.stderr).toEqual([good, good, good]);
      expect(await ends(fridge)).toEqual([Outcome.APPLIED]);
      await expectNoTraces(fridge);
    },
  );
});

describe("an agent killed on its way back from a bad release", () => {
  beforeAll(async () => {
    await fleet.publish(await fleet.build({ gen: 2, mode: "fail-health" }));
  });

  test.each(cases(BACKWARD))(
    "in %s, %s, in the order %s, ends on the previous system",
    async (state, at, order) => {
      const fridge = await killed(state, at, order);
      const resumed = await fridge.once();
      expect(await resting(fridge), resumed.stderr).toEqual([factory, factory, factory]);
      expect(await ends(fridge)).toEqual([Outcome.ROLLED_BACK]);
      expect((await fleet.operator.device(fridge.name))?.quarantinedRevisions).toEqual([2n]);
      await expectNoTraces(fridge);
    },
  );
});

async function killed(
  state: string,
  at: (typeof MOMENTS)[number],
  order: (typeof ORDERS)[number],
): Promise<FleetDevice> {
  devices += 1;
  const fridge = await fleet.device(`fridge-${devices}`, factory, { activation: order });
  const crash = await fridge.crash(state, at);
  expect(crash.signal ?? crash.code, crash.stderr).toSatisfy(
    (end: unknown) => end === "SIGKILL" || end === 137,
    "the agent was killed and did not end by itself",
  );
  return fridge;
}

/** What runs, what the profile names, what boots next. */
async function resting({ device }: FleetDevice) {
  const { running, profile, bootDefault } = await device.links();
  return [running, profile, bootDefault];
}

/** How the attempts of a device ended, as the server keeps it. */
async function ends({ name }: FleetDevice): Promise<Outcome[]> {
  return (await fleet.operator.events(name)).flatMap(({ attempt }) =>
    attempt === undefined || attempt.outcome === Outcome.UNSPECIFIED ? [] : [attempt.outcome],
  );
}

/** Nothing of the attempt is left running or rooted but what the device stands on. */
async function expectNoTraces({ device }: FleetDevice): Promise<void> {
  const roots = (await device.gcRoots())
    .map(({ link }) => link)
    .filter((link) => link.includes("nix-ota"));
  expect(roots.filter((link) => !link.includes("/committed-"))).toEqual([]);
  const processes = await device.run(["ps", "-eo", "args"]);
  expect(processes).not.toMatch(/switch-to-configuration|nix copy|crashing-agent/);
}
