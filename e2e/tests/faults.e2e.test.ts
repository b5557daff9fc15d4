import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { Bench, type Lane } from "../faults/bench.ts";
import { representativeCases } from "../faults/cases.ts";
import { runCase } from "../faults/run-case.ts";

/** As many as tests of a file run at a time. */
const LANES = 3;

let bench: Bench;
const free: Lane[] = [];

beforeAll(async () => {
  bench = await Bench.open(LANES);
  free.push(...bench.lanes);
});

afterAll(async () => {
  await bench[Symbol.asyncDispose]();
});

describe("a device that meets a fault ends on a system that works, and says which", () => {
  const cases = representativeCases().map((one) => [one.name, one.expected, one] as const);

  test.concurrent.each(cases)("%s: %s", async (_name, _expected, one) => {
    const lane = free.pop();
    if (lane === undefined) throw new Error("more tests run at a time than there are lanes");
    try {
      const { complaints, log } = await runCase(bench, lane, one);
      expect(complaints, log.slice(-6000)).toEqual([]);
    } finally {
      free.push(lane);
    }
  });
});
