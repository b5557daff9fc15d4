import { randomBytes } from "node:crypto";

import { AgentError } from "../agent-error.ts";
import type { Journal } from "../journal.ts";
import type { Disk } from "../ports/disk.ts";
import type { JournalStore } from "../ports/records.ts";
import type { StateName } from "../states.ts";
import { slotFile } from "./slot-file.ts";

/** Gives up its place to the journal of a device that has to go on with a full disk. */
const BALLAST = "ballast";

/** The journal a few dozen times, and beside it the reports and results of one way back. */
const BALLAST_BYTES = 256 * 1024;

/** Where nothing is changed on the device yet, a full disk is a reason to stay there. */
const HARMLESS: ReadonlySet<StateName> = new Set(["idle", "accepted", "fetching", "staged"]);

/**
 * The journal in `journal.a` and `journal.b`, and the room to write it in: every way back begins
 * with a journal, so that a closure which fills the disk could never be left.
 */
export function journalFile(disk: Disk, stateDir: string): JournalStore {
  const file = slotFile(disk, stateDir, "journal", (body) => {
    // Written by this program, and its sha256 holds: only the version is in question.
    const journal = body as Journal;
    return journal.version === 1 ? journal : undefined;
  });
  return {
    read: async () => await file.read(),
    async write(journal) {
      try {
        await file.write(journal);
      } catch (cause) {
        if (!isFull(cause) || HARMLESS.has(journal.machine.state.name)) throw cause;
        await disk.remove(`${stateDir}/${BALLAST}`);
        await file.write(journal);
      }
    },
    async keepRoom() {
      if ((await disk.list(stateDir)).includes(BALLAST)) return;
      try {
        // Random: what a file system can compress keeps no room.
        await disk.writeDurably(stateDir, BALLAST, randomBytes(BALLAST_BYTES), 0o600);
      } catch (cause) {
        if (!isFull(cause)) throw cause;
        // What is there of it must not take the room that it was meant to keep.
        await disk.remove(`${stateDir}/${BALLAST}.next`);
      }
    },
  };
}

function isFull(cause: unknown): boolean {
  if (!(cause instanceof AgentError)) return false;
  const { code } = (cause.cause ?? {}) as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT";
}
