import { expect, test } from "vitest";

import { copyGuard } from "./copy-guard.ts";

const limits = {
  stallMs: 1000,
  minBytesPerS: 100,
  rateWindowMs: 5000,
  totalMs: 60_000,
  budgetBytes: 10_000,
  minFreeBytes: 500,
};
const start = { nowMs: 0, bytesDone: 0, activity: 0, freeBytes: 1_000_000 };

test("lets a copy go on that moves", () => {
  const judge = copyGuard(limits, start);
  for (let second = 1; second <= 59; second += 1) {
    const sample = { ...start, nowMs: second * 900, bytesDone: second * 150, activity: second };
    expect(judge(sample)).toBeUndefined();
  }
});

test("gives up on silence, however long it moved before", () => {
  const judge = copyGuard(limits, start);
  expect(judge({ ...start, nowMs: 900, bytesDone: 5000, activity: 1 })).toBeUndefined();
  expect(judge({ ...start, nowMs: 1800, bytesDone: 5000, activity: 1 })).toBeUndefined();
  expect(judge({ ...start, nowMs: 1900, bytesDone: 5000, activity: 1 })?.code).toBe(
    "CACHE_STALLED",
  );
});

test("gives up on a trickle, in which every sample shows life", () => {
  const judge = copyGuard(limits, start);
  const samples = Array.from({ length: 10 }, (_, index) => index + 1).map((tick) =>
    judge({ ...start, nowMs: tick * 500, bytesDone: tick * 5, activity: tick }),
  );
  expect(samples.slice(0, 9)).toEqual(Array(9).fill(undefined));
  expect(samples[9]?.message).toContain("bytes a second");
});

test("gives up on endless data at the budget, and not before", () => {
  const judge = copyGuard(limits, start);
  expect(judge({ ...start, nowMs: 10, bytesDone: 10_000, activity: 1 })).toBeUndefined();
  expect(judge({ ...start, nowMs: 20, bytesDone: 10_001, activity: 2 })?.code).toBe(
    "TOO_MUCH_DATA",
  );
});

test("keeps the space free that is to stay free", () => {
  expect(copyGuard(limits, start)({ ...start, nowMs: 10, freeBytes: 499 })?.code).toBe("NO_SPACE");
});

test("bounds the whole", () => {
  const judge = copyGuard({ ...limits, rateWindowMs: 1_000_000 }, start);
  expect(judge({ ...start, nowMs: 60_000, activity: 1 })?.code).toBe("CACHE_STALLED");
});
