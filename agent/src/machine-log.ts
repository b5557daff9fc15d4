import { fstatSync, writeSync } from "node:fs";

import { isoTime } from "./iso-time.ts";
import { journalLine, jsonLine } from "./log-line.ts";
import type { Log } from "./ports/supervision.ts";

/** Standard error: for people where it is systemd's journal, for programs everywhere else. */
const inJournal = isJournal(process.env["JOURNAL_STREAM"]);

let last = "";

/** One line on stderr for each thing worth telling; in the journal, none that says the last once more. */
export const machineLog: Log = (level, message, facts = {}) => {
  if (!inJournal) {
    write(jsonLine(isoTime(Date.now()), level, message, facts));
    return;
  }
  const line = journalLine(level, message, facts);
  if (line !== last) write(line);
  last = line;
};

/** Past `process.stderr`, whose errors end the process: an update goes on when nobody reads of it. */
function write(line: string): void {
  const bytes = Buffer.from(line);
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(2, bytes, at);
  } catch {
    // Nobody is left to be told.
  }
}

/** systemd says by device and inode which stream it reads: the variable alone is inherited further. */
function isJournal(stream: string | undefined): boolean {
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(2);
    return stream === `${dev}:${ino}`;
  } catch {
    // Standard error is closed: it is no journal.
    return false;
  }
}
