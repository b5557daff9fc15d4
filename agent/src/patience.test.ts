import * as v from "valibot";
import { expect, test } from "vitest";

import { pollPatienceMs, waitPatienceMs, workPatienceMs } from "./patience.ts";
import { settingsSchema } from "./settings.ts";

const settings = v.parse(settingsSchema, {});
const MINUTE = 60_000;

test("work is given its own limit and time to spare", () => {
  const { activation, probation, fetch, nix } = settings;
  const busyMs = activation.busyTries * activation.busyWaitMs;
  expect(workPatienceMs("activating", settings)).toBeGreaterThan(activation.limitMs + busyMs);
  expect(workPatienceMs("probation", settings)).toBeGreaterThan(probation.limitMs);
  expect(workPatienceMs("fetching", settings)).toBeGreaterThan(fetch.totalMs);
  expect(workPatienceMs("staged", settings)).toBeGreaterThan(2 * nix.closureMs);
});

test("an agent that asks or waits is missed within minutes", () => {
  expect(pollPatienceMs(settings)).toBeLessThan(10 * MINUTE);
  expect(workPatienceMs("idle", settings)).toBeLessThan(15 * MINUTE);
  expect(waitPatienceMs(5 * MINUTE)).toBe(7 * MINUTE);
});
