import { open } from "node:fs/promises";

import { decryptSecretKey, isEncryptedKey } from "@nix-ota/proto/key-encryption";
import { parseSecretKey, type SecretKey } from "@nix-ota/proto/key-file";

import { CliError } from "./cli-error.ts";

/** No key file is longer, encrypted or not. */
const KEY_FILE_LIMIT_BYTES = 4096;

/** Permission bits of everybody but the owner. */
const OTHERS = 0o077;

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
  const text = await readPrivateFile(file);
  const key = isEncryptedKey(text)
    ? await decryptSecretKey(text, await askPassphrase(file))
    : parseSecretKey(text);
  if (typeof key === "string") throw new CliError("key", `key file ${file} cannot be used: ${key}`);
  return key;
}

async function readPrivateFile(file: string): Promise<string> {
  const handle = await open(file, "r").catch((error: unknown) => {
    throw new CliError("key", `key file ${file} cannot be opened; check --key and its owner`, {
      cause: error,
    });
  });
  try {
    // Asked of the open file, so that it cannot be another one by the time it is read.
    const { mode } = await handle.stat();
    if ((mode & OTHERS) !== 0)
      throw new CliError(
        "key",
        `key file ${file} is open to others (mode ${(mode & 0o777).toString(8)}); run: chmod 600 ${file}`,
      );
    const buffer = Buffer.alloc(KEY_FILE_LIMIT_BYTES + 1);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length);
    if (bytesRead > KEY_FILE_LIMIT_BYTES)
      throw new CliError(
        "key",
        `key file ${file} is over ${KEY_FILE_LIMIT_BYTES} bytes; check --key`,
      );
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await handle.close();
  }
}
