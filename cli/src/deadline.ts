import { CliError } from "./cli-error.ts";

const SECONDS: Readonly<Record<string, number>> = { min: 60, h: 3600, d: 86_400, w: 604_800 };

/**
 * A point in time as people give it: `90min`, `12h`, `30d`, `8w` from now on, or a date as in
 * `2026-12-31` or `2026-12-31T12:00:00Z`. Seconds since 1970 UTC.
 *
 * @throws {CliError} `usage` for anything else, and for what is past.
 */
export function parseDeadline(text: string, nowMs: number): bigint {
  const seconds = secondsOf(text, nowMs, 1);
  if (seconds === undefined)
    throw new CliError(
      "usage",
      `${JSON.stringify(text)} is no point in time; write 30d, 12h or 2026-12-31T12:00:00Z`,
    );
  if (seconds * 1000 <= nowMs) throw new CliError("usage", `${text} is in the past`);
  return BigInt(seconds);
}

/**
 * A point in the past as people give it: `90min`, `12h`, `30d`, `8w` before now, or a date as for
 * `parseDeadline`. Milliseconds since 1970 UTC.
 *
 * @throws {CliError} `usage` for anything else, and for what is to come.
 */
export function parseSince(text: string, nowMs: number): number {
  const seconds = secondsOf(text, nowMs, -1);
  if (seconds === undefined)
    throw new CliError(
      "usage",
      `${JSON.stringify(text)} is no point in time; write 12h, 30d or 2026-12-31T12:00:00Z`,
    );
  if (seconds * 1000 > nowMs) throw new CliError("usage", `${text} is in the future`);
  return seconds * 1000;
}

function secondsOf(text: string, nowMs: number, direction: 1 | -1): number | undefined {
  const [, amount, unit] = /^(\d{1,5})(min|h|d|w)$/u.exec(text) ?? [];
  if (amount !== undefined && unit !== undefined)
    return Math.trunc(nowMs / 1000) + direction * Number(amount) * (SECONDS[unit] ?? 0);
  // Date.parse reads much more than dates; only the form of RFC 3339 is meant.
  if (!/^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2}))?$/u.test(text))
    return undefined;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.trunc(atMs / 1000);
}
