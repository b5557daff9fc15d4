/** What a poll leaves behind when there was nothing to do, so that the next one can be cheap. Pure but for looks at files. */
import { lstatSync, readlinkSync, statSync } from "node:fs";
import type { BigIntStats } from "node:fs";

export const QUIET_FILE = "quiet";

/** A poll that found nothing to do, and everything that it depended on. */
export interface QuietRecord {
  readonly version: 1;
  /** Boot in which it was written, and the file that tells it. */
  readonly bootId: string;
  readonly bootIdFile: string;
  /** Monotonic milliseconds from which on the whole agent polls again. */
  readonly untilMs: number;
  /** What `fingerprint` said of these. */
  readonly watched: readonly string[];
  readonly fingerprint: string;
  /** URL to which the report is posted. */
  readonly url: string;
  readonly serverCaFile: string | null;
  readonly timeoutMs: number;
  readonly answerLimitBytes: number;
  /** The report as JSON, all but its sequence. */
  readonly report: Readonly<Record<string, unknown>>;
  /** What mattered in the answer. */
  readonly answer: string;
  /** Why there was nothing to do. */
  readonly reason: string;
  /** Numbers left for reports: from the next one, up to but not including the last. */
  readonly nextSequence: number;
  readonly endSequence: number;
}

/**
 * Identity and age of files and directories, and where links point. Two equal ones were taken of
 * the same contents: everything that the agent writes is written by a rename.
 */
export function fingerprint(paths: readonly string[]): string {
  return paths.map(printOf).join("\n");
}

function printOf(path: string): string {
  return [
    path,
    orCode(() => identityOf(lstatSync(path, { bigint: true }))),
    orCode(() => readlinkSync(path)),
    orCode(() => identityOf(statSync(path, { bigint: true }))),
  ].join(" ");
}

const identityOf = ({ dev, ino, mtimeNs, size }: BigIntStats) =>
  [dev, ino, mtimeNs, size].join(":");

/** What cannot be looked at is told apart by why. */
function orCode(look: () => string): string {
  try {
    return look();
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code ?? "unreadable";
  }
}

/** What of an answer decides whether there is something to do; undefined: it is no such answer. */
export function essenceOf(answer: unknown): string | undefined {
  if (typeof answer !== "object" || answer === null || !("directive" in answer)) return undefined;
  const { directive } = answer;
  if (typeof directive !== "object" || directive === null || !("hold" in directive))
    return undefined;
  // The clock, the number of the report and the interval change with every answer.
  const {
    serverTime: _time,
    acknowledgedSequence: _sequence,
    nextCheckInMs: _interval,
    ...rest
  } = directive as Record<string, unknown>;
  return JSON.stringify(rest);
}
