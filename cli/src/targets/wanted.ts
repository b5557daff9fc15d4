import { CliError } from "../cli-error.ts";
import { parseName } from "../name-argument.ts";

/** A system that devices of a target are to run. */
export interface Wanted {
  /** Empty: devices without one. */
  target: string;
  /** A store path, or a link to one. */
  path: string;
}

/** A release holds no more. */
export const MAX_TARGETS = 256;

/**
 * Checks names and number of what a file or a flake names.
 *
 * @throws {CliError} `usage`.
 */
export function expectTargets(wanted: readonly Wanted[], origin: string): readonly Wanted[] {
  if (wanted.length === 0) throw new CliError("usage", `${origin} names no system`);
  if (wanted.length > MAX_TARGETS)
    throw new CliError(
      "usage",
      `${origin} names ${wanted.length} systems, and a release holds ${MAX_TARGETS}; publish them in several`,
    );
  const seen = new Set<string>();
  for (const { target } of wanted) {
    if (target !== "") parseName(`the target in ${origin}`, target);
    if (seen.has(target))
      throw new CliError("usage", `${origin} names ${target || "-"} twice; leave one out`);
    seen.add(target);
  }
  return wanted;
}
