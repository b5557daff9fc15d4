import type { ErrorKind } from "./cli-error.ts";

/** What the process ends with. The last two belong to waiting for a rollout. */
export const ExitCode = {
  OK: 0,
  FAILURE: 1,
  USAGE: 2,
  REFUSED: 3,
  HALTED: 4,
  TIMED_OUT: 5,
} as const;

const codeOf: Record<ErrorKind, number> = {
  usage: ExitCode.USAGE,
  refused: ExitCode.REFUSED,
  unreachable: ExitCode.FAILURE,
  store: ExitCode.FAILURE,
  cache: ExitCode.FAILURE,
  key: ExitCode.FAILURE,
  file: ExitCode.FAILURE,
  unproven: ExitCode.FAILURE,
  rejected: ExitCode.FAILURE,
  declined: ExitCode.FAILURE,
  diagnosed: ExitCode.FAILURE,
  halted: ExitCode.HALTED,
  "timed-out": ExitCode.TIMED_OUT,
};

export function exitCodeOf(kind: ErrorKind): number {
  return codeOf[kind];
}
