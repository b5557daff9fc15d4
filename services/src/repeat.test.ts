import { expect, test } from "vitest";

import { repeat } from "./repeat.ts";

/** Rounds that end when they are let go. */
function slowWork() {
  const ends: (() => void)[] = [];
  const work = () => new Promise<void>((resolve) => ends.push(resolve));
  return { work, ends, settle: () => new Promise<void>((resolve) => setImmediate(resolve)) };
}

test("while a round takes long one other waits, however many were due", async () => {
  const { work, ends, settle } = slowWork();
  const repeated = repeat(work, 60_000);
  void repeated.now();
  await settle();
  const due = [repeated.now(), repeated.now(), repeated.now()];
  ends[0]?.();
  await settle();
  ends[1]?.();
  await Promise.all(due);
  expect(ends).toHaveLength(2);
  await repeated.stop();
});

test("a round that waits when the work is stopped does not begin", async () => {
  const { work, ends, settle } = slowWork();
  const repeated = repeat(work, 60_000);
  void repeated.now();
  await settle();
  void repeated.now();
  const stopped = repeated.stop();
  ends[0]?.();
  await stopped;
  expect(ends).toHaveLength(1);
});
