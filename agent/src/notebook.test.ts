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

/** The notebook of an agent that starts on this disk. */
function starts(disk: ReturnType<typeof memoryDisk>) {
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
  return { box, start };
}

test("a lost journal counts its events on, or the outbox would take them for told ones", async () => {
  const disk = memoryDisk();
  const { box, start } = starts(disk);
  await (await start()).reject(refused("aaaaaaaa"));
  const told = await box.oldest(9);
  await box.drop(told.map(({ id }) => id));
  disk.tear("/state/journal.a");
  await (await start()).reject(refused("bbbbbbbb"));

  const waiting = await box.oldest(9);
  expect(waiting.map(({ number, attempt }) => [number, attempt?.id])).toEqual([[2, "bbbbbbbb"]]);
});

test("a lost trust record has its floor back from the attempt under way, and keeps it", async () => {
  const disk = memoryDisk();
  const { start } = starts(disk);
  const floor = { revision: 7, payloadSha256: "a".repeat(64) };
  const attempt = { id: "one", channel: "prod", storePath: "/nix/store/x", ...floor };
  await (await start()).record({ on: "accepted", attempt });
  const resumed = await start();
  expect(resumed.trust.channels).toEqual({ prod: { floor } });
  await resumed.setTrust(resumed.trust);
  await resumed.record({ on: "withdrawn", code: "EXPIRED", message: "it expired" });
  expect((await start()).trust.channels).toEqual({ prod: { floor } });
});
