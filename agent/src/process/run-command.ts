import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { AgentError } from "../agent-error.ts";
import { signalSession } from "./process-group.ts";

export interface Command {
  readonly argv: readonly [string, ...string[]];
  /** The whole environment of the program. */
  readonly environment: Readonly<Record<string, string>>;
  readonly limitMs: number;
  /** Most bytes of stdout; one more ends the program. */
  readonly outputLimitBytes: number;
  /** So much of the end of stderr is kept. */
  readonly tailBytes?: number;
  /** From SIGTERM to SIGKILL. Default 5 000. */
  readonly graceMs?: number;
  /** Whether processes that the program leaves behind are killed after it ended. */
  readonly killStrays?: boolean;
  /** Called once it runs, with what stops it where it stands and lets it go on. */
  readonly onStart?: (pauses: Pauses) => void;
  /** Every line of stderr, cut at 64 KiB. */
  readonly onErrorLine?: (line: string) => void;
}

export interface Pauses {
  pause(): void;
  resume(): void;
}

/** How a program ended. */
export interface Ended {
  readonly how: "exited" | "killed" | "timed out" | "too much output" | "aborted" | "not started";
  /** Exit status; 128 + signal when killed; -1 when it did not exit by itself. */
  readonly code: number;
  readonly stdout: string;
  /** End of stderr. */
  readonly tail: string;
}

const LINE_LIMIT = 64 * 1024;
const DRAIN_MS = 1000;

/**
 * Runs a program to its end, in a session of its own, within its limits. The kernel kills it when
 * this process dies: a second agent never meets the copy or the health check of the first.
 */
export async function runCommand(command: Command, signal: AbortSignal): Promise<Ended> {
  if (signal.aborted) return { how: "aborted", code: -1, stdout: "", tail: "" };
  const {
    argv,
    environment,
    limitMs,
    outputLimitBytes,
    tailBytes = 8192,
    graceMs = 5000,
  } = command;
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...argv], {
    cwd: "/",
    env: environment,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });

  let how: Ended["how"] | undefined;
  let killTimer: NodeJS.Timeout | undefined;
  let drainTimer: NodeJS.Timeout | undefined;
  const end = (why: Ended["how"]) => {
    if (how !== undefined || child.pid === undefined) return;
    how = why;
    const session = { id: child.pid };
    // One that was paused hears of its end when it goes on.
    void signalSession(session, "SIGTERM").then(() => child.kill("SIGCONT"));
    killTimer = setTimeout(() => void signalSession(session, "SIGKILL"), graceMs);
  };

  command.onStart?.({
    pause: () => void (how === undefined && child.kill("SIGSTOP")),
    resume: () => void child.kill("SIGCONT"),
  });

  const stdout: Buffer[] = [];
  let bytes = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > outputLimitBytes) end("too much output");
    else stdout.push(chunk);
  });
  let tail = "";
  if (command.onErrorLine === undefined) {
    child.stderr.on("data", (chunk: Buffer) => {
      tail = (tail + chunk.toString("utf8")).slice(-tailBytes);
    });
  } else {
    const { onErrorLine } = command;
    createInterface({ input: child.stderr, crlfDelay: Infinity }).on("line", (line) => {
      onErrorLine(line.slice(0, LINE_LIMIT));
    });
  }

  const limitTimer = setTimeout(() => end("timed out"), limitMs);
  const onAbort = () => end("aborted");
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const [code, by] = await new Promise<[number | null, NodeJS.Signals | null]>(
      (resolve, reject) => {
        child.once("error", reject);
        child.once("close", (...ended) => resolve(ended));
        // A grandchild that holds the pipes open keeps `close` from coming: what was written before the
        // exit gets a moment to be read.
        child.once("exit", (...ended) => {
          drainTimer = setTimeout(() => resolve(ended), DRAIN_MS);
        });
      },
    );
    const forced = how !== undefined || command.killStrays === true;
    if (forced && child.pid !== undefined) await signalSession({ id: child.pid }, "SIGKILL");
    const exited = code ?? -1;
    return {
      how: how ?? (by === null ? (code === 127 ? "not started" : "exited") : "killed"),
      code: exited,
      stdout: Buffer.concat(stdout).toString("utf8"),
      tail,
    };
  } catch (cause) {
    throw new AgentError(
      "tool",
      `${argv[0]} cannot be started; setpriv of util-linux must be on the PATH`,
      cause,
    );
  } finally {
    clearTimeout(limitTimer);
    clearTimeout(killTimer);
    clearTimeout(drainTimer);
    signal.removeEventListener("abort", onAbort);
    child.stdout.destroy();
    child.stderr.destroy();
  }
}
