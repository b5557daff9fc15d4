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

describe.each(["prove-first", "switch"] as const)(
  "a device that loses its journal during the probation, in the order %s,",
  (order) => {
    test("lets what runs prove itself before it counts", async () => {
      const good = await fleet.build({ gen: 1 });
      await fleet.publish(good);
      const fridge = await lost(order);
      await fridge.once();
      expect(await fridge.resting()).toEqual([good, good, good]);
      expect(await fleet.operator.outcomes(fridge.name)).toEqual(["APPLIED"]);
    });

    test("goes back when that fails", async () => {
      await fleet.publish(await fleet.build({ gen: 2, mode: "fail-health" }));
      const fridge = await lost(order);
      await fridge.once();
      expect(await fridge.resting()).toEqual([factory, factory, factory]);
      expect(await fleet.operator.outcomes(fridge.name)).toEqual(["ROLLED_BACK"]);
    });
  },
);

/** A device whose new system runs, and whose journal is gone. */
async function lost(order: "prove-first" | "switch"): Promise<FleetDevice> {
  devices += 1;
  const fridge = await fleet.device(`fridge-${devices}`, factory, { activation: order });
  await fridge.crash("probation", "entered");
  expect((await fridge.device.links()).running).not.toBe(factory);
  const { stateDir } = fridge.device;
  await fridge.device.run(["rm", `${stateDir}/journal.a`, `${stateDir}/journal.b`]);
  return fridge;
}
