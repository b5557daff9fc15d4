import { CliError } from "./cli-error.ts";
import { HIGHEST_REVISION } from "./next-revision.ts";

/**
 * A revision as people give it: `42` or `r42`.
 *
 * @throws {CliError} `usage` for anything but 1 to 2^53-1.
 */
export function parseRevision(text: string, flag = "--revision"): bigint {
  const digits = /^r?([1-9]\d{0,15})$/u.exec(text)?.[1];
  const revision = BigInt(digits ?? 0);
  if (revision < 1n || revision > HIGHEST_REVISION)
    throw new CliError("usage", `${flag} ${JSON.stringify(text)} is not 1 to 2^53-1`);
  return revision;
}
