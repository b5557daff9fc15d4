import { expect, test } from "vitest";

import { outageNotices } from "./outage-notices.ts";

const MINUTE = 60_000;

test("an outage is told at once, then at pauses that grow to an hour, each time with what was not told", () => {
  const tell = outageNotices();
  const said: [minute: number, failures: number][] = [];
  for (let second = 0; second < 6 * 3600; second += 1) {
    const failures = tell(second * 1000);
    if (failures !== undefined) said.push([(second * 1000) / MINUTE, failures]);
  }
  expect(said).toEqual([
    [0, 1],
    [1, 60],
    [3, 120],
    [7, 240],
    [15, 480],
    [31, 960],
    [63, 1920],
    [123, 3600],
    [183, 3600],
    [243, 3600],
    [303, 3600],
  ]);
});

test("an outage after a minute and a half without one is told at once again", () => {
  const tell = outageNotices();
  expect([tell(0), tell(1000), tell(1000 + 90_000)]).toEqual([1, undefined, 2]);
  expect([tell(100_000), tell(100_000 + 90_001)]).toEqual([undefined, 1]);
});
