import { expect, test } from "vitest";

import { streamLifeMs } from "./stream-life.ts";

const STREAM = { longestMs: 1_200_000, expiresAtMs: undefined, nowMs: 0, random: 0 };

test.each([
  ["at least half of the longest life", {}, 600_000],
  ["at most all of it", { random: 0.999_999_9 }, 1_200_000],
  ["no longer than its credential", { nowMs: 5_000, expiresAtMs: 6_000 }, 1_000],
  ["not at all once its credential is over", { nowMs: 7_000, expiresAtMs: 6_000 }, 0],
])("a stream lives %s", (_title, fields, expected) => {
  expect(streamLifeMs({ ...STREAM, ...fields })).toBe(expected);
});
