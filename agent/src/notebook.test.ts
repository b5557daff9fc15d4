import { expect, test } from "vitest";

import { parseConfig } from "./config.ts";
import { openNotebook } from "./notebook.ts";
import type { ReportedAttempt } from "./reported-event.ts";
import { journalFile } from "./state/journal-file.ts";
import { memoryDisk } from "./state/memory-disk.testkit.ts";
import { outbox } from "./state/outbox.ts";
import { trustFile } from "./state/trust-file.ts";

const config = parseConfig(
  JSON.stringify({
    server: "https://ota.example.org",
    channel: "prod",
    deviceId: "fridge",
    publicKey: "6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=",
  }),
  "",
);

const refused = (id: string): ReportedAttempt => ({
  id,
  channel: "prod",
  revision: 1,
  storePath: "",
  state: "idle",
  outcome: "rejected",
  rejectCode: "BAD_SIGNATURE",
  message: "signed by nobody known",
  rebootRequired: false,
  elapsedMs: 0,
});

test("a lost journal counts its events on, or the outbox would take them for told ones", async () => {
  const disk = memoryDisk();
  const box = outbox(disk, "/state");
  let ids = 0;
  const start = async () =>
    await openNotebook(
      {
        journal: journalFile(disk, "/state"),
        trust: trustFile(disk, "/state", { committedRoots: async () => [] }),
        outbox: box,
        clock: {
          monotonicMs: () => 0,
          wallS: () => 0,
          synchronized: async () => true,
          bootId: async () => "boot",
          sleep: async () => {},
        },
        chance: { fraction: () => 0, id: () => `aaaaaaaa-${(ids += 1)}` },
        log: () => {},
      },
      config,
    );

  await (await start()).reject(refused("aaaaaaaa"));
  const told = await box.oldest(9);
  await box.drop(told.map(({ id }) => id));
  disk.tear("/state/journal.a");
  await (await start()).reject(refused("bbbbbbbb"));

  const waiting = await box.oldest(9);
  expect(waiting.map(({ number, attempt }) => [number, attempt?.id])).toEqual([[2, "bbbbbbbb"]]);
});
