import { readFile, readdir } from "node:fs/promises";

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

/** Fields of /proc/PID/stat after the name, which may hold blanks and parentheses; undefined: gone. */
async function statusOf(pid: number | string): Promise<Status | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", session: Number(fields[3]), startTicks: fields[19] ?? "" };
  } catch {
    // No such process, or it ended while being read: the same to every caller.
    return undefined;
  }
}

/** Whether this very process runs. */
export async function isAlive({ pid, startTicks }: ProcessIdentity): Promise<boolean> {
  const status = await statusOf(pid);
  return status !== undefined && status.startTicks === startTicks && status.state !== "Z";
}

/**
 * Sends a signal to every process of a session: also to those that made a process group of their
 * own, which a signal to the leader's group does not reach.
 */
export async function signalSession(session: number, signal: NodeJS.Signals): Promise<void> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const statuses = await Promise.all(
    pids.map(async (pid) => ({ pid, status: await statusOf(pid) })),
  );
  for (const { pid, status } of statuses) {
    if (status?.session === session) signalProcess(Number(pid), signal);
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself.
  }
}
