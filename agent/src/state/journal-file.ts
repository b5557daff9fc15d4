import type { Journal } from "../journal.ts";
import type { Disk, JournalStore } from "../ports.ts";
import { slotFile } from "./slot-file.ts";

/** The journal in `journal.a` and `journal.b`. */
export function journalFile(disk: Disk, stateDir: string): JournalStore {
  return slotFile(disk, stateDir, "journal", (body) => {
    // Written by this program, and its sha256 holds: only the version is in question.
    const journal = body as Journal;
    return journal.version === 1 ? journal : undefined;
  });
}
