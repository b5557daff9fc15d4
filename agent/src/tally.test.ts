import { expect, test } from "vitest";

import { emptyTally, SILENCES_FORGIVEN, takeBack } from "./tally.ts";

test("a silence that the previous system shares takes an activation back, a bounded number of times", () => {
  let tally = emptyTally;
  for (let tries = 0; tries < 10; tries += 1)
    tally = takeBack({ ...tally, activations: tally.activations + 1 });
  expect(tally.activations).toBe(10 - SILENCES_FORGIVEN);
});

test("where nothing was activated there is nothing to take back", () => {
  expect(takeBack(emptyTally)).toEqual(emptyTally);
});
