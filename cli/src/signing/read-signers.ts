import { toHex } from "@nix-ota/proto/hash";

import type { Ask } from "../ask.ts";
import { CliError } from "../cli-error.ts";
import type { Host } from "../host.ts";
import { passphraseFor } from "../passphrase.ts";
import { readPublicKey } from "../public-key-argument.ts";
import { readSigningKey } from "../signing-key.ts";
import { commandSigner, parseKeyCommand } from "./key-command.ts";
import { keySigner, type Signer } from "./signer.ts";

/** How a command line names the keys that sign. */
export interface SignerOptions {
  key: string[];
  passphraseFile?: string | undefined;
  keyCommand: string[];
  keyCommandKey: string[];
}

/** An envelope carries no more signatures. */
export const MAX_SIGNERS = 16;

/**
 * Judges what a command line says of signers before anything is read.
 *
 * @throws {CliError} `usage`.
 */
export function expectSigners({ key, keyCommand, keyCommandKey }: SignerOptions): void {
  if (keyCommand.length !== keyCommandKey.length)
    throw new CliError(
      "usage",
      `--key-command is given ${keyCommand.length} times and --key-command-key ${keyCommandKey.length} times; name the public key of each command`,
    );
  const count = key.length + keyCommand.length;
  if (count === 0)
    throw new CliError(
      "usage",
      "no signing key is named; give --key, made by nix-ota keygen, or --key-command",
    );
  if (count > MAX_SIGNERS)
    throw new CliError("usage", `${count} keys are to sign, over ${MAX_SIGNERS}`);
  keyCommand.forEach(parseKeyCommand);
}

/** Those that hold their key in a file, then those behind a command. A key that is named twice signs once. */
export async function readSigners(
  options: SignerOptions,
  ask: Ask,
  host: Host,
): Promise<readonly Signer[]> {
  const signers: Signer[] = [];
  // One after the other: each may ask for a passphrase.
  for (const file of options.key) {
    const passphrase = async (file: string): Promise<string> =>
      passphraseFor(file, options.passphraseFile, ask);
    signers.push(keySigner(await readSigningKey(file, passphrase)));
  }
  for (const [index, text] of options.keyCommand.entries()) {
    const publicKey = await readPublicKey(options.keyCommandKey[index] ?? "");
    signers.push(commandSigner(parseKeyCommand(text), publicKey, host));
  }
  const once = new Map<string, Signer>();
  for (const signer of signers) {
    const key = toHex(signer.publicKey);
    if (!once.has(key)) once.set(key, signer);
  }
  return [...once.values()];
}
