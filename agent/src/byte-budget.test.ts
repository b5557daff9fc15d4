import { describe, expect, test } from "vitest";

import { ledgerAt, leftBytes, reserved } from "./byte-budget.ts";

const HOUR = 3_600_000;
const budget = { bytes: 1000, hours: 24 };
const begun = { bootId: "a", ms: 0 };

describe("a period", () => {
  test("goes on over reboots with what was spent in it, and another begins when it is over", () => {
    const spent = { ...ledgerAt(undefined, budget, begun), spentBytes: 900 };
    const later = ledgerAt(spent, budget, { bootId: "a", ms: 20 * HOUR });
    expect(leftBytes(later, budget)).toBe(100);
    const rebooted = ledgerAt(later, budget, { bootId: "b", ms: 3 * HOUR });
    expect([rebooted.countdown.leftMs, leftBytes(rebooted, budget)]).toEqual([HOUR, 100]);
    const next = ledgerAt(rebooted, budget, { bootId: "b", ms: 4 * HOUR });
    expect([next.countdown.leftMs, leftBytes(next, budget)]).toEqual([24 * HOUR, 1000]);
  });

  test("is no longer than what is configured since", () => {
    const spent = { ...ledgerAt(undefined, budget, begun), spentBytes: 900 };
    expect(ledgerAt(spent, { bytes: 1000, hours: 2 }, begun).countdown.leftMs).toBe(2 * HOUR);
  });

  test("of which more than all was spent has nothing left", () => {
    expect(leftBytes({ ...ledgerAt(undefined, budget, begun), spentBytes: 1001 }, budget)).toBe(0);
  });
});

test("what is written covers what is spent, a share ahead", () => {
  const ledger = { ...ledgerAt(undefined, budget, begun), spentBytes: 100 };
  expect(reserved(ledger, 100, budget)).toBeUndefined();
  expect(reserved(ledger, 101, budget)).toBe(121);
  expect(reserved(ledger, 101, { bytes: 2 ** 40, hours: 24 })).toBe(101 + 1024 * 1024);
});
