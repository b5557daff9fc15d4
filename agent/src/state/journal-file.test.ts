import { beforeEach, expect, test } from "vitest";

import { AgentError } from "../agent-error.ts";
import { sampleAttempt } from "../attempt.testkit.ts";
import type { WayBack } from "../attempt.ts";
import type { Journal } from "../journal.ts";
import { notebookOver } from "../notebook.testkit.ts";
import type { Disk } from "../ports/disk.ts";
import type { State } from "../states.ts";
import { journalFile } from "./journal-file.ts";
import { memoryDisk } from "./memory-disk.testkit.ts";

/** A disk of which others take all that is free when they are asked to. */
function sharedDisk(bytes: number): Disk & { fill(): void } {
  const disk = memoryDisk();
  const sizes = new Map<string, number>();
  let others = 0;
  const free = () => bytes - others - [...sizes.values()].reduce((sum, size) => sum + size, 0);
  return {
    ...disk,
    fill() {
      others += free();
    },
    async writeDurably(directory, name, contents, mode) {
      // The old contents stay until the new ones are there.
      if (contents.length > free()) {
        const cause = Object.assign(new Error("no space left"), { code: "ENOSPC" });
        throw new AgentError("state", `${name} cannot be written`, cause);
      }
      await disk.writeDurably(directory, name, contents, mode);
      sizes.set(`${directory}/${name}`, contents.length);
    },
    async remove(path) {
      await disk.remove(path);
      sizes.delete(path);
    },
  };
}

let before: Journal;
let changing: Journal;
beforeEach(async () => {
  const { journal } = await notebookOver();
  before = journal;
  const attempt = sampleAttempt;
  const prev: WayBack = {
    running: "/nix/store/r0",
    booted: "/nix/store/r0",
    profile: "/nix/store/r0",
    generation: 1,
    failedUnits: [],
    inContact: true,
  };
  const failure = { code: "ROLLBACK_FAILED", message: "it did not come back" } as const;
  const state: State = { name: "stuck", attempt, prev, failure };
  changing = { ...journal, machine: { ...journal.machine, state } };
});

test("a device whose disk was filled by what it changed still writes how it goes on", async () => {
  const disk = sharedDisk(1024 * 1024);
  const journal = journalFile(disk, "/state");
  await journal.keepRoom();
  disk.fill();
  for (let moves = 0; moves < 20; moves += 1) await journal.write(changing);
  expect(await journalFile(disk, "/state").read()).toEqual(changing);
});

test("the room is not spent where nothing is changed yet", async () => {
  const disk = sharedDisk(1024 * 1024);
  const journal = journalFile(disk, "/state");
  await journal.keepRoom();
  disk.fill();
  await expect(journal.write(before)).rejects.toThrow(/cannot be written/u);
  await journal.write(changing);
});

test("a disk without room for it is no error, and it is kept as soon as there is", async () => {
  const disk = sharedDisk(64 * 1024);
  const journal = journalFile(disk, "/state");
  await journal.keepRoom();
  await journal.write(changing);
  disk.fill();
  await expect(journal.write(changing)).rejects.toThrow(/cannot be written/u);
});
