import { readFile } from "node:fs/promises";

import type { Ask } from "./ask.ts";
import { CliError } from "./cli-error.ts";

/**
 * The first line of a file: editors and secret stores leave a line feed behind it.
 *
 * @throws {CliError} `file` when it cannot be read, `key` when the line is empty.
 */
export async function readPassphraseFile(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new CliError("file", `passphrase file ${file} cannot be read; check --passphrase-file`, {
      cause: error,
    });
  });
  const passphrase = text.split(/\r?\n/u)[0] ?? "";
  if (passphrase === "") throw new CliError("key", `passphrase file ${file} has no first line`);
  return passphrase;
}

/** A passphrase for an existing key: from the file when one is named, else asked for. */
export async function passphraseFor(
  keyFile: string,
  passphraseFile: string | undefined,
  ask: Ask,
): Promise<string> {
  if (passphraseFile !== undefined) return readPassphraseFile(passphraseFile);
  if (!ask.possible)
    throw new CliError("key", `key file ${keyFile} is encrypted; give --passphrase-file`);
  return ask.secret(`Passphrase of ${keyFile}:`);
}
