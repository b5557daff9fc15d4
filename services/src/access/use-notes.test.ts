import { expect, test } from "vitest";

import { createUseNotes } from "./use-notes.ts";

const MINUTE = 60_000;

function notes() {
  const failures: unknown[] = [];
  const written: number[] = [];
  const notesOfUse = createUseNotes((error) => failures.push(error));
  const use = (nowMs: number, lastUsedAt?: Date, write?: () => Promise<void>) =>
    notesOfUse.note({
      key: "t",
      lastUsedAt,
      nowMs,
      write: write ?? (async (minute) => void written.push(minute.getTime())),
    });
  return { use, written, failures, drain: () => notesOfUse.drain() };
}

test("a use is noted by its minute, and not again within it", async () => {
  const { use, written, drain } = notes();
  use(5 * MINUTE + 1);
  use(5 * MINUTE + 2);
  await drain();
  use(5 * MINUTE + 59_999, new Date(5 * MINUTE));
  use(6 * MINUTE, new Date(5 * MINUTE));
  await drain();
  expect(written).toEqual([5 * MINUTE, 6 * MINUTE]);
});

test("what cannot be written is told, holds nobody up, and is tried with the next use", async () => {
  const { use, written, failures, drain } = notes();
  use(MINUTE, undefined, async () => {
    throw new Error("gone");
  });
  await drain();
  use(MINUTE);
  await drain();
  expect(failures).toEqual([new Error("gone")]);
  expect(written).toEqual([MINUTE]);
});
