import type { Host } from "./host.ts";

/** A host that keeps what is written and whose clock stands still. */
export interface RecordingHost extends Host {
  readonly out: () => string;
  readonly err: () => string;
  /** Waits that were asked for, milliseconds; none of them takes time. */
  readonly waits: readonly number[];
}

export const NOW_MS = Date.UTC(2026, 10, 22, 12, 0, 0);

export function recordingHost(
  given: {
    terminal?: boolean;
    columns?: number;
    env?: Record<string, string>;
    signal?: AbortSignal;
  } = {},
): RecordingHost {
  const written = { out: "", err: "" };
  const waits: number[] = [];
  const terminal = given.terminal ?? false;
  const sink = (name: "out" | "err") => ({
    isTerminal: terminal,
    columns: given.columns,
    write: (text: string) => {
      written[name] += text;
    },
  });
  return {
    env: given.env ?? {},
    stdout: sink("out"),
    stderr: sink("err"),
    canAsk: terminal,
    now: () => NOW_MS,
    wait: async (ms) => {
      waits.push(ms);
    },
    signal: given.signal ?? new AbortController().signal,
    out: () => written.out,
    err: () => written.err,
    waits,
  };
}
