import { expect, test } from "vitest";

import { windowTimeS } from "./window-time.ts";

const NOON_S = 1_800_000_000;
const MINUTE = 60_000;
const nobody = { wallS: 0, synchronized: false, server: undefined, nowMs: 0, certainS: 0 };
const told = { wallS: NOON_S, atMs: MINUTE };

test("a wall clock counts only while something keeps it right, and never before what is certain", () => {
  expect(windowTimeS({ ...nobody, wallS: NOON_S })).toBeUndefined();
  expect(windowTimeS({ ...nobody, wallS: NOON_S, synchronized: true })).toBe(NOON_S);
  expect(
    windowTimeS({ ...nobody, wallS: NOON_S, synchronized: true, certainS: NOON_S + 1 }),
  ).toBeUndefined();
});

test("the server's word is counted on, for a day", () => {
  expect(windowTimeS({ ...nobody, server: told, nowMs: 3 * MINUTE })).toBe(NOON_S + 120);
  expect(windowTimeS({ ...nobody, server: told, nowMs: 25 * 60 * MINUTE })).toBeUndefined();
  expect(
    windowTimeS({ ...nobody, server: told, nowMs: 3 * MINUTE, certainS: NOON_S + 121 }),
  ).toBeUndefined();
});
