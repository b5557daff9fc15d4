import { expect, test } from "vitest";

import { parseDuration, spellDuration } from "./spell-duration.ts";

test("durations read as people say them, rounded up", () => {
  const spelt = [1, 59_000, 60_000, 3_540_001, 3_600_000, 7_260_000, 86_399_999, 97_200_001];
  expect(spelt.map(spellDuration)).toEqual([
    "1 s",
    "59 s",
    "1 min",
    "60 min",
    "1 h",
    "2 h 1 min",
    "24 h",
    "1 d 4 h",
  ]);
});

test("durations are taken as people write them, and nothing else is", () => {
  expect(["90s", "45m", "2h", "3d"].map(parseDuration)).toEqual([
    90_000, 2_700_000, 7_200_000, 259_200_000,
  ]);
  expect(["", "2", "0h", "-1h", "2 h", "1h30m", "2w"].map(parseDuration)).toEqual(
    Array.from({ length: 7 }, () => undefined),
  );
});
