import { expect, test } from "vitest";

import type { Act } from "../src/crash-bench.ts";
import { cutsAtEveryAct, cutsAtRandom, killsAtEveryAct, killsWithoutServer } from "./crashes.ts";

const acts: readonly Act[] = [
  "write journal 1",
  "write journal 2",
  "copy 1",
  "write outbox/through 1",
  "remove outbox 1",
  "remove outbox 2",
].flatMap((act) => {
  const moments = act.startsWith("write")
    ? (["before", "during", "after"] as const)
    : (["before", "after"] as const);
  return moments.map((moment) => ({ act, moment, alone: true }));
});

test("an agent is killed within each write and after each act, and before it notes what it was told", () => {
  const named = killsAtEveryAct("switch", acts).map(({ when }) =>
    "act" in when ? `${when.moment} ${when.act}` : "",
  );
  expect(named).toEqual([
    "during write journal 1",
    "after write journal 1",
    "during write journal 2",
    "after write journal 2",
    "after copy 1",
    "before write outbox/through 1",
    "during write outbox/through 1",
    "after write outbox/through 1",
  ]);
});

test("without a server it is killed after each act from the acceptance on that needs no server", () => {
  expect(killsWithoutServer(acts)).toEqual(["copy 1"]);
});

test("the power is cut after each act on either layout, and at the same random times for a seed", () => {
  const cuts = cutsAtEveryAct("prove-first", acts, 7);
  expect(cuts.map(({ layout }) => layout)).toEqual(["apart", "together", "apart", "together"]);
  expect(cuts.filter(({ when }) => "laterMs" in when)).toHaveLength(1);
  const random = cutsAtRandom("switch", 1000, 7, 50);
  expect(random).toEqual(cutsAtRandom("switch", 1000, 7, 50));
  expect(random).not.toEqual(cutsAtRandom("switch", 1000, 8, 50));
  const times = random.map(({ when }) => ("startedMs" in when ? when.startedMs : -1));
  expect(Math.min(...times)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...times)).toBeLessThanOrEqual(1100);
  expect(new Set(times).size).toBeGreaterThan(40);
});
