import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";

import { fsyncPath } from "./fsync-path.ts";

/**
 * Makes a file for its owner's eyes, with its directory where that is missing:
 * whole or not at all, and on the disk when this returns. Where there is one
 * already it is replaced or kept; of processes that keep, the first one wins.
 */
export function writeDurably(file: string, content: string, present: "replace" | "keep"): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomBytes(8).toString("hex")}`;
  try {
    const descriptor = openSync(draft, "wx", 0o600);
    try {
      writeSync(descriptor, content);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    if (present === "replace") renameSync(draft, file);
    else linkUnlessThere(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
  fsyncPath(dirname(file));
}

function linkUnlessThere(draft: string, file: string): void {
  try {
    linkSync(draft, file);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
  }
}
