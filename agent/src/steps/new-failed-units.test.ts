import { expect, test } from "vitest";

import type { Agent } from "../agent.ts";
import type { WayBack } from "../attempt.ts";
import { newFailedUnits } from "./new-failed-units.ts";

const prev: WayBack = {
  running: "/nix/store/r4",
  booted: "/nix/store/r4",
  profile: "/nix/store/r4",
  generation: 4,
  inContact: true,
};

const failingOn = (units: readonly string[] | undefined) =>
  ({
    ports: {
      log: () => undefined,
      health: { failedUnits: async () => await Promise.resolve(units) },
    },
  }) as unknown as Agent;

const found = async (before: readonly string[] | undefined, now: readonly string[] | undefined) =>
  await newFailedUnits(
    failingOn(now),
    before === undefined ? prev : { ...prev, failedUnits: before },
    new AbortController().signal,
  );

test("a unit counts when it fails now and is known not to have failed before", async () => {
  expect(await found(["a.service"], ["a.service", "b.service"])).toEqual(["b.service"]);
  expect(await found([], ["b.service"])).toEqual(["b.service"]);
  expect(await found(undefined, ["a.service"])).toEqual([]);
  expect(await found([], undefined)).toEqual([]);
});
