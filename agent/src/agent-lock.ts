import { spawnSync } from "node:child_process";
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";

import { AgentError } from "./agent-error.ts";
import { identityOf } from "./process/process-group.ts";
import type { ProcessIdentity } from "./process/process-group.ts";

/** On top of the wait: a `flock` that takes longer hangs. */
const ANSWER_MS = 10_000;

/** Exit status of flock for a lock that somebody else holds. */
const HELD = 75;

/**
 * A lock on a file, such as the one of agent and commands, held until `release` or the end of this process, however it
 * ends. Node has no flock: the `flock` program locks a descriptor that this process opened and hands
 * down. The lock belongs to the open file, not to the program, so it stays when that exits, and the
 * kernel drops it with this process's descriptor, which no other child inherits. The file names the
 * process that took it last.
 *
 * @throws {AgentError} kind `busy` when another holds it for longer than `waitS` seconds; kind `tool` when
 *   `flock` cannot be run, or has not ended `answerMs` after that.
 */
export function takeLock(
  path: string,
  waitS: number,
  environment: Readonly<Record<string, string>>,
  how: "exclusive" | "shared" = "exclusive",
  answerMs: number = ANSWER_MS,
): () => void {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  } catch (cause) {
    throw new AgentError("state", `${path} cannot be opened`, cause);
  }
  const { status, error } = spawnSync(
    "flock",
    [`--${how}`, "--wait", String(waitS), "--conflict-exit-code", String(HELD), "3"],
    {
      env: environment,
      timeout: waitS * 1000 + answerMs,
      killSignal: "SIGKILL",
      stdio: ["ignore", "ignore", "ignore", descriptor],
    },
  );
  if (status === 0) {
    const { pid, startTicks } = identityOf(process.pid) ?? { pid: process.pid, startTicks: "" };
    ftruncateSync(descriptor);
    writeSync(descriptor, `${pid} ${startTicks}\n`, 0);
    return () => closeSync(descriptor);
  }
  closeSync(descriptor);
  if (status === HELD)
    throw new AgentError(
      "busy",
      `${path} is held by another agent or command; wait for it to end`,
      status,
    );
  const hangs = error !== undefined && "code" in error && error.code === "ETIMEDOUT";
  const problem = hangs
    ? `hangs over ${path}; look at the disk of the state directory`
    : "cannot be run; put it on the PATH";
  throw new AgentError("tool", `flock of util-linux ${problem}`, error ?? status);
}

/** The process that took the lock last, which holds it as long as it is held; undefined: unknown. */
export function holderOf(path: string): ProcessIdentity | undefined {
  try {
    const [pid, startTicks] = readFileSync(path, "utf8").trim().split(" ");
    if (startTicks === undefined || !(Number(pid) > 1)) return undefined;
    return { pid: Number(pid), startTicks };
  } catch {
    // Nobody ever took it.
    return undefined;
  }
}
