import { expect, test } from "vitest";

import { fleetRestMs } from "./fleet-rest.ts";

test("the fleet is counted once a second at most, and rarely where counting is slow", () => {
  expect([0, 100, 500, 60_000, -5_000].map(fleetRestMs)).toEqual([
    1_000, 1_000, 4_500, 10_000, 1_000,
  ]);
});
