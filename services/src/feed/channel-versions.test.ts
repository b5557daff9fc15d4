import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { ChannelVersions, type Versions } from "./channel-versions.ts";

let stored: Versions | Error;
let reads: number;
let changes: (readonly string[])[];
let failures: unknown[];
let seen: Versions[];
let versions: ChannelVersions;
beforeEach(async () => {
  vi.useFakeTimers();
  [reads, changes, failures, seen] = [0, [], [], []];
  stored = new Map([["prod", 1n]]);
  versions = new ChannelVersions({
    async read() {
      reads += 1;
      const answer = stored;
      await new Promise((resolve) => setTimeout(resolve, 100));
      if (answer instanceof Error) throw answer;
      return answer;
    },
    onChange: (channels) => changes.push(channels),
    onRead: (read) => seen.push(read),
    onFailure: (error) => failures.push(error),
    rereadMs: 15_000,
    after(delayMs, run) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
  });
  const started = versions.start();
  await vi.advanceTimersByTimeAsync(100);
  await started;
});
afterEach(async () => {
  const stopped = versions.stop();
  await vi.runAllTimersAsync();
  await stopped;
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

test("a change of which nobody tells is seen by the next reading, 15 s later at most", async () => {
  stored = new Map([["prod", 2n]]);
  await vi.advanceTimersByTimeAsync(14_999);
  expect(changes).toEqual([]);
  await vi.advanceTimersByTimeAsync(101);
  expect(changes).toEqual([["prod"]]);
});

test("a hint has it read at once; a channel that comes or goes is a change", async () => {
  stored = new Map([["edge", 0n]]);
  versions.hint();
  await vi.advanceTimersByTimeAsync(100);
  expect(changes).toEqual([["prod", "edge"]]);
  expect(versions.current).toBe(stored);
});

test("many hints during one reading lead to one more, which sees what they told of", async () => {
  versions.hint();
  stored = new Map([["prod", 2n]]);
  for (let count = 0; count < 50; count += 1) versions.hint();
  await vi.advanceTimersByTimeAsync(200);
  expect([reads, changes]).toEqual([3, [["prod"]]]);
});

test("nothing is told where nothing changed", async () => {
  stored = new Map([["prod", 1n]]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([reads, changes, seen.length]).toEqual([4, [], 3]);
});

test("a reading that fails is followed by the next one", async () => {
  stored = new Error("no database");
  await vi.advanceTimersByTimeAsync(15_100);
  expect(failures).toEqual([stored]);
  stored = new Map([["prod", 7n]]);
  await vi.advanceTimersByTimeAsync(15_100);
  expect(changes).toEqual([["prod"]]);
});
