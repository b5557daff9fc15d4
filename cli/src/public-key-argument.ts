import { parsePublicKey, type PublicKey } from "@nix-ota/proto/key-file";

import { CliError } from "./cli-error.ts";
import { readFileBounded } from "./read-file.ts";

/** No public key is longer, with a name before it and a line feed behind. */
const LIMIT_BYTES = 4096;

/**
 * A public key as people give it: the text itself, or the name of a file that holds it.
 *
 * @throws {CliError} `key` when it is neither.
 */
export async function readPublicKey(argument: string): Promise<PublicKey> {
  const direct = parsePublicKey(argument);
  if (typeof direct !== "string") return direct;
  const text = await readFileBounded(argument, LIMIT_BYTES, "").catch(() => undefined);
  const inFile = text === undefined ? direct : parsePublicKey(text);
  if (typeof inFile !== "string") return inFile;
  throw new CliError(
    "key",
    `${JSON.stringify(argument.slice(0, 80))} is no public key and no file with one: ${inFile}`,
  );
}
