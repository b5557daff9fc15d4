import { decryptSecretKey, isEncryptedKey } from "@nix-ota/proto/key-encryption";
import { parseSecretKey, type SecretKey } from "@nix-ota/proto/key-file";

import { CliError } from "./cli-error.ts";
import { readPrivateFile } from "./private-file.ts";
import { shellWord } from "./shell-word.ts";

/** No key file is longer, encrypted or not. */
const KEY_FILE_LIMIT_BYTES = 4096;

/** Asks for the passphrase of a file. */
export type AskPassphrase = (file: string) => Promise<string>;

/**
 * Reads a private key. `askPassphrase` is called for an encrypted one only.
 *
 * @throws {CliError} `key` when the file cannot be read, is open to group or others, holds no key,
 *   or the passphrase is wrong.
 */
export async function readSigningKey(
  file: string,
  askPassphrase: AskPassphrase,
): Promise<SecretKey> {
  const text = await readKeyFile(file);
  const key = isEncryptedKey(text)
    ? await decryptSecretKey(text, await askPassphrase(file))
    : parseSecretKey(text);
  if (typeof key === "string") throw new CliError("key", `key file ${file} cannot be used: ${key}`);
  return key;
}

async function readKeyFile(file: string): Promise<string> {
  const { text, openMode } = await readPrivateFile(file, KEY_FILE_LIMIT_BYTES).catch(
    (error: unknown) => {
      throw new CliError("key", `key file ${file} cannot be opened; check --key and its owner`, {
        cause: error,
      });
    },
  );
  if (openMode !== undefined)
    throw new CliError(
      "key",
      `key file ${file} is open to others (mode ${openMode}); run: chmod 600 ${shellWord(file)}`,
    );
  if (text === undefined)
    throw new CliError(
      "key",
      `key file ${file} is over ${KEY_FILE_LIMIT_BYTES} bytes; check --key`,
    );
  return text;
}
