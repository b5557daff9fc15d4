import { expect, test } from "vitest";

import type { ReportedEvent } from "../reported-event.ts";
import { memoryDisk } from "./memory-disk.testkit.ts";
import { outbox } from "./outbox.ts";

const event = (number: number, ends = false): ReportedEvent => ({
  id: `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
  number,
  occurredAtS: 0,
  state: "idle",
  message: "",
  ...(ends
    ? {
        attempt: {
          id: "aaaaaaaa",
          channel: "prod",
          revision: 1,
          storePath: "",
          state: "idle" as const,
          outcome: "applied" as const,
          message: "",
          rebootRequired: false,
          elapsedMs: 0,
        },
      }
    : {}),
});
const numbers = (events: readonly ReportedEvent[]) => events.map(({ number }) => number);

test("keeps events in the order they happened until they are acknowledged", async () => {
  const disk = memoryDisk();
  const box = outbox(disk, "/state");
  for (const number of [2, 1, 10]) await box.put(event(number, number === 10));
  expect(numbers(await outbox(disk, "/state").oldest(9))).toEqual([1, 2, 10]);
  await box.drop([event(10, true).id, event(1).id]);
  expect(numbers(await box.oldest(9))).toEqual([2]);
});

test("an event that was acknowledged does not come back, as the journal of a crashed agent would have it", async () => {
  const disk = memoryDisk();
  const box = outbox(disk, "/state");
  await box.put(event(1));
  await box.put(event(1));
  expect(numbers(await box.oldest(9))).toEqual([1]);
  await box.drop([event(1).id]);
  await outbox(disk, "/state").put(event(1));
  expect(await box.oldest(9)).toEqual([]);
});

test("an event that cannot be read is given up and those behind it are told", async () => {
  const disk = memoryDisk();
  const box = outbox(disk, "/state");
  for (const number of [1, 2]) await box.put(event(number));
  disk.tear(`/state/outbox/000000000001-${event(1).id}`);
  expect(numbers(await box.oldest(9))).toEqual([2]);
  expect(await disk.list("/state/outbox")).toEqual([`000000000002-${event(2).id}`]);
});

test("knows the newest number, acknowledged or not", async () => {
  const box = outbox(memoryDisk(), "/state");
  expect(await box.newest()).toBe(0);
  for (const number of [1, 2]) await box.put(event(number));
  expect(await box.newest()).toBe(2);
  await box.drop([event(1).id, event(2).id]);
  expect(await box.newest()).toBe(2);
});

test("when it is full the oldest goes that ended no attempt", async () => {
  const box = outbox(memoryDisk(), "/state");
  await box.put(event(1, true));
  for (let number = 2; number <= 513; number += 1) await box.put(event(number));
  const kept = numbers(await box.oldest(1000));
  expect([kept.length, kept[0], kept[1]]).toEqual([512, 1, 3]);
});
