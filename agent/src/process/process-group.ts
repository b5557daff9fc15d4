import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";

/** A process, told apart from a later one that got its number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from boot to its start, as /proc says. */
  readonly startTicks: string;
}

interface Status {
  readonly state: string;
  readonly session: number;
  readonly startTicks: string;
}

/**
 * Fields of /proc/PID/stat after the name, which may hold blanks and parentheses; undefined: gone.
 * Read at once: the kernel has it at hand, and a look at every process shall not take its turns.
 */
function statusOf(pid: number | string): Status | undefined {
  try {
    return parseStatus(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    // No such process, or it ended while being read: the same to every caller.
    return undefined;
  }
}

function parseStatus(text: string): Status {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", session: Number(fields[3]), startTicks: fields[19] ?? "" };
}

/** Who has this number; undefined: nobody. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const status = statusOf(pid);
  return status === undefined ? undefined : { pid, startTicks: status.startTicks };
}

/** Whether this very process runs. */
export function isAlive({ pid, startTicks }: ProcessIdentity): boolean {
  const status = statusOf(pid);
  return status !== undefined && status.startTicks === startTicks && status.state !== "Z";
}

/** Which processes are meant. */
export interface Session {
  readonly id: number;
  /**
   * What their environment holds, e.g. `NIX_OTA_RUN=…`: for sessions that this process did not start
   * itself, whose number another one may have got since. Undefined: the number suffices.
   */
  readonly marker?: string;
}

/** The processes of a session: also those that made a process group of their own. */
async function membersOf({ id, marker }: Session): Promise<readonly number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const members: number[] = [];
  for (const pid of pids) {
    const status = statusOf(pid);
    if (status?.session !== id || status.state === "Z") continue;
    if (marker === undefined || (await environmentOf(pid)).includes(marker))
      members.push(Number(pid));
  }
  return members;
}

async function environmentOf(pid: string): Promise<readonly string[]> {
  try {
    return (await readFile(`/proc/${pid}/environ`, "utf8")).split("\0");
  } catch {
    // It ended meanwhile, or is somebody else's: none of ours.
    return [];
  }
}

/** Leaders of sessions whose environment has an entry that begins so. */
export async function leadersMarked(marker: string): Promise<readonly number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const leaders: number[] = [];
  for (const pid of pids) {
    const status = statusOf(pid);
    if (status?.session !== Number(pid) || status.state === "Z") continue;
    if ((await environmentOf(pid)).some((entry) => entry.startsWith(marker)))
      leaders.push(Number(pid));
  }
  return leaders;
}

/** Kills every process whose environment has this entry. */
export async function killMarked(entry: string): Promise<void> {
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid || !(await environmentOf(pid)).includes(entry)) continue;
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
}

/** Whether a process of the session runs. */
export async function sessionRuns(session: Session): Promise<boolean> {
  return (await membersOf(session)).length > 0;
}

/** Sends a signal to every process of a session. */
export async function signalSession(session: Session, signal: NodeJS.Signals): Promise<void> {
  for (const pid of await membersOf(session)) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended by itself.
    }
  }
}
