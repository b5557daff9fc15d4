import { access } from "node:fs/promises";

import { AgentError } from "../agent-error.ts";
import { takeLock } from "../agent-lock.ts";
import type { Disk } from "../ports/disk.ts";
import type { Inhibition } from "../ports/supervision.ts";
import { readNotes } from "./inhibitor-note.ts";

export const gateFile = (stateDir: string) => `${stateDir}/inhibit.lock`;

/**
 * One lock file between updates and what they must not disturb: inhibitors share it, an update has it
 * alone. The kernel drops either's lock with its process, however that ends.
 */
export function inhibitionGate(
  disk: Disk,
  stateDir: string,
  environment: Readonly<Record<string, string>>,
): Inhibition {
  let release: (() => void) | undefined;
  return {
    close() {
      release ??= tryLock(gateFile(stateDir), "exclusive", environment);
      return release !== undefined;
    },
    reopen() {
      release?.();
      release = undefined;
    },
    inhibitors: async () => await readNotes(disk, stateDir),
    present: async (files) => {
      const there = await Promise.all(files.map(isThere));
      return files.filter((_, index) => there[index]);
    },
  };
}

/** Undefined: somebody else holds it. */
export function tryLock(
  path: string,
  how: "exclusive" | "shared",
  environment: Readonly<Record<string, string>>,
): (() => void) | undefined {
  try {
    return takeLock(path, 0, environment, how);
  } catch (cause) {
    if (cause instanceof AgentError && cause.kind === "busy") return undefined;
    throw cause;
  }
}

/** A file that cannot be looked at may be there, and an update waits rather than disturbs. */
async function isThere(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    return code !== "ENOENT" && code !== "ENOTDIR";
  }
}
