import { CliError } from "./cli-error.ts";

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * A length of time as people give it: `90s`, `30m` or `30min`, `12h`, `2d`. Milliseconds.
 *
 * @throws {CliError} `usage` for anything else.
 */
export function parseDuration(flag: string, text: string): number {
  const [, amount, unit = ""] = /^(\d{1,6})(s|m|min|h|d)$/u.exec(text) ?? [];
  if (amount !== undefined) return Number(amount) * (UNIT_MS[unit] ?? 0);
  throw new CliError(
    "usage",
    `${flag} ${JSON.stringify(text)} is no length of time; write 90s, 30m or 12h`,
  );
}
