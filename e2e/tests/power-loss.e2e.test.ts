import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { CrashBench, type CrashCase, type Order } from "../src/crash-bench.ts";
import { type DiskLayout, powerCutsImpossible } from "../src/disk-images.ts";

const impossible = await powerCutsImpossible();
let bench: CrashBench;

beforeAll(async () => {
  if (impossible === undefined) bench = await CrashBench.open();
});
afterAll(async () => await bench?.[Symbol.asyncDispose]());
beforeEach((context) => {
  if (impossible !== undefined) context.skip(impossible);
});

type Row = readonly [order: Order, layout: DiskLayout, after: string, laterMs: number];

describe("a power cut that loses what was not synced, on the way to a good release,", () => {
  beforeAll(async () => await bench?.publish({ gen: 1 }, "good"));

  // oxfmt-ignore
  const rows: readonly Row[] = [
    // order         disks       right after act       or so many ms later
    ["prove-first", "apart",    "write trust 1",       0],
    ["prove-first", "together", "copy 1",              0],
    ["prove-first", "apart",    "sync store 1",        0],
    ["prove-first", "together", "activate test 1",   200],
    ["prove-first", "apart",    "set profile 1",       0],
    ["prove-first", "apart",    "activate boot 1",     0],
    ["prove-first", "together", "write trust 2",       0],
    ["switch",      "apart",    "set profile 1",       0],
    ["switch",      "apart",    "activate switch 1",   0],
    ["switch",      "together", "write trust 2",       0],
  ];
  test.each(rows)("in the order %s, disks %s, after %s and %i ms, ends on it", cutAfter);
});

describe("a power cut that loses what was not synced, on the way back from a bad release,", () => {
  beforeAll(async () => await bench?.publish({ gen: 2, mode: "fail-health" }, "bad"));

  // oxfmt-ignore
  const rows: readonly Row[] = [
    ["prove-first", "apart",    "activate test 2",     0],
    ["switch",      "apart",    "switch generation 1", 0],
    ["switch",      "together", "activate boot 1",     0],
  ];
  test.each(rows)("in the order %s, disks %s, after %s and %i ms, ends on the previous", cutAfter);
});

async function cutAfter(...[order, layout, act, laterMs]: Row): Promise<void> {
  const when: CrashCase["when"] =
    laterMs === 0 ? { act, moment: "after" } : { act, moment: "after", laterMs };
  const { hit, wrong } = await bench.run({ order, layout, how: "cut", when });
  expect(wrong).toEqual([]);
  expect(hit).toContain(`after ${act}`);
}
