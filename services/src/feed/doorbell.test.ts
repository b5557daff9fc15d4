import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Doorbell, type After } from "./doorbell.ts";

const after: After = (delayMs, run) => {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("who waits is woken by the bell, or by the limit", async () => {
  const bell = new Doorbell(after);
  const rung = bell.wait(1_000);
  bell.ring();
  expect(await rung).toBe(true);
  const late = bell.wait(1_000);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await late).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});

test("a bell that rang while nobody waited is heard by the next who does, once", async () => {
  const bell = new Doorbell(after);
  bell.ring();
  bell.ring();
  expect(await bell.wait(1_000)).toBe(true);
  const second = bell.wait(1_000);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await second).toBe(false);
});
