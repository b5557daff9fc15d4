import { setTimeout as sleep } from "node:timers/promises";

/** A stream to write to, and whether a person watches it. */
export interface Sink {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Width of the terminal, where there is one. */
  readonly columns: number | undefined;
}

/** What surrounds a command: everything outside its arguments that it may touch without a file. */
export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Whether questions can be asked: a person types and sees. */
  readonly canAsk: boolean;
  /** Milliseconds since 1970 UTC. */
  now(): number;
  wait(ms: number, signal: AbortSignal): Promise<void>;
  /** Ends everything that is under way, e.g. on Ctrl-C. */
  readonly signal: AbortSignal;
}

/** The process as host. */
export function processHost(signal: AbortSignal): Host {
  return {
    env: process.env,
    stdout: sinkOf(process.stdout),
    stderr: sinkOf(process.stderr),
    // Undefined where it is no terminal.
    canAsk: Boolean(process.stdin.isTTY && process.stderr.isTTY),
    now: Date.now,
    wait: async (ms, signal) => {
      await sleep(ms, undefined, { signal });
    },
    signal,
  };
}

function sinkOf(stream: NodeJS.WriteStream): Sink {
  return {
    write: (text) => void stream.write(text),
    isTerminal: Boolean(stream.isTTY),
    columns: stream.columns,
  };
}
