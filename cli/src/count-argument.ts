import { CliError } from "./cli-error.ts";

/**
 * A whole number as people give it.
 *
 * @throws {CliError} `usage` for anything outside of `least` to `most`.
 */
export function parseCount(flag: string, text: string, least: number, most: number): number {
  const count = Number(text);
  if (/^\d{1,7}$/u.test(text) && count >= least && count <= most) return count;
  throw new CliError("usage", `${flag} ${JSON.stringify(text)} is not ${least} to ${most}`);
}
