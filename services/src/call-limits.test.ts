import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { createCallLimits } from "./call-limits.ts";
import { LIMITS } from "./limits.ts";
import type { OtaError } from "./ota-error.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: 1_700_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const limitsOf = (numbers: Partial<Record<keyof typeof LIMITS, number>>, random = 0) => {
  const told: string[] = [];
  const limits = createCallLimits(
    { ...LIMITS, ...numbers },
    () => random,
    (limit) => told.push(limit),
  );
  return { limits, told };
};
const outcome = async (call: Promise<void>) =>
  await call.then(
    () => "in",
    (error: OtaError) => error.details.retryAfterMs,
  );
const outcomes = async (count: number, call: () => Promise<void>) => {
  const all: unknown[] = [];
  for (let number = 0; number < count; number += 1) all.push(await outcome(call()));
  return all;
};

test("a flood before authentication is told how long to wait, and once in the log", async () => {
  const { limits, told } = limitsOf({ proofsPerAddress: 2 });
  const call = () => limits.proof("192.0.2.1");
  expect(await outcomes(2, call)).toEqual(["in", "in"]);
  vi.advanceTimersByTime(4_000);
  expect(await outcomes(3, call)).toEqual([6_000, 6_000, 6_000]);
  expect(await outcome(limits.proof("192.0.2.2"))).toBe("in");
  vi.advanceTimersByTime(6_000);
  expect(await outcome(call())).toBe("in");
  expect(told).toEqual(["proofs of an address"]);
});

test("those who wait are spread over half a window", async () => {
  const { limits } = limitsOf({ proofsPerAddress: 1 }, 0.999);
  expect(await outcomes(2, () => limits.proof("192.0.2.1"))).toEqual(["in", 14_995]);
});

test("an attacker with a network of IPv6 counts once, and all attackers together are bounded", async () => {
  const { limits } = limitsOf({ proofsPerAddress: 2, proofsPerServer: 3 });
  let host = 0;
  const neighbours = () => limits.proof(`2001:db8:1:2::${(host += 1)}`);
  expect(await outcomes(3, neighbours)).toEqual(["in", "in", 10_000]);
  const strangers = () => limits.proof(`198.51.100.${(host += 1)}`);
  expect(await outcomes(2, strangers)).toEqual(["in", 10_000]);
});

test("credentials that fail close an address to others, and a good one does not count", async () => {
  const { limits, told } = limitsOf({ failuresPerAddress: 2 });
  const check = () => limits.requireFewFailures("192.0.2.1");
  expect(await outcomes(5, check)).toEqual(Array.from({ length: 5 }, () => "in"));
  await limits.noteFailure("192.0.2.1");
  expect(await outcome(check())).toBe("in");
  await limits.noteFailure("192.0.2.1");
  expect(await outcome(check())).toBe(60_000);
  expect(await outcome(limits.requireFewFailures("192.0.2.2"))).toBe("in");
  vi.advanceTimersByTime(60_000);
  expect(await outcome(check())).toBe("in");
  expect(told).toEqual(["failed credentials"]);
});

test("a device and a token have each their own measure", async () => {
  const { limits } = limitsOf({ callsPerDevice: 2, callsPerToken: 1 });
  expect(await outcomes(3, () => limits.device("gw-1"))).toEqual(["in", "in", 10_000]);
  expect(await outcome(limits.device("gw-2"))).toBe("in");
  expect(await outcomes(2, () => limits.use(new Uint8Array([1])))).toEqual(["in", 10_000]);
  expect(await outcome(limits.use(new Uint8Array([2])))).toBe("in");
});

test("however many callers there are, the counters are bounded", async () => {
  const { limits } = limitsOf({ limitSlots: 8, callsPerDevice: 1 });
  const all = await Promise.all(
    Array.from({ length: 100 }, (_, index) => outcome(limits.device(`gw-${index}`))),
  );
  expect(all.filter((one) => one === "in").length).toBeLessThanOrEqual(8);
});

test("an update of a device, as fast as states change, is far below its limit", () => {
  // Every state of the way to a committed system, the offer, the listing, and a
  // progress report a second of a copy that takes ten.
  const callsOfAnUpdate = 15 + 2 + 10;
  expect(callsOfAnUpdate * 10).toBeLessThanOrEqual(LIMITS.callsPerDevice);
});
