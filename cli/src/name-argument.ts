import { isId } from "@nix-ota/proto/ids";

import { CliError } from "./cli-error.ts";

/**
 * A channel, target, fleet or device as people give it.
 *
 * @throws {CliError} `usage` when nothing can be called so; `what` names the flag or argument.
 */
export function parseName(what: string, text: string): string {
  if (isId(text)) return text;
  throw new CliError(
    "usage",
    `${what} ${JSON.stringify(text)} is no name: lower-case letters, digits, dots, dashes and underscores, at most 63`,
  );
}
