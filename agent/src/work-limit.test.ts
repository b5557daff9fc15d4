import { setTimeout as sleep } from "node:timers/promises";

import { expect, test } from "vitest";

import { testConfig } from "./config.testkit.ts";
import type { Ports } from "./ports/ports.ts";
import { workLimit } from "./work-limit.ts";

const config = testConfig({ settings: { limits: { armedMs: 7_000 } } });

/** A clock whose next sleep ends when the test says so. */
function device() {
  let slept = Number.NaN;
  let wake = () => {};
  const clock = {
    sleep: async (ms: number, signal: AbortSignal) => {
      slept = ms;
      await new Promise<void>((resolve, reject) => {
        wake = resolve;
        signal.addEventListener("abort", () => reject(new Error("aborted")));
      });
    },
  } as Ports["clock"];
  return { agent: { ports: { clock } as Ports, config }, slept: () => slept, wake: () => wake() };
}

const never = new AbortController().signal;

test("work that takes too long is given up, with a sentence that says for how long it was waited", async () => {
  const { agent, slept, wake } = device();
  const limit = workLimit(agent, "armed", never);
  expect(slept()).toBe(7_000);
  expect(limit.signal.aborted).toBe(false);
  wake();
  await sleep(0);
  expect([limit.signal.aborted, limit.over()]).toEqual([true, true]);
  expect(limit.failure.message).toContain("7 s");
});

test("the caller's signal ends the work, and that is no limit that is over", () => {
  const stop = new AbortController();
  const limit = workLimit(device().agent, "committing", stop.signal);
  stop.abort();
  expect([limit.signal.aborted, limit.over()]).toEqual([true, false]);
  limit.end();
});

test("a state with limits of its own gets none here", () => {
  const { agent, slept } = device();
  workLimit(agent, "fetching", never);
  expect(slept()).toBeNaN();
});
