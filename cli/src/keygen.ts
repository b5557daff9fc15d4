import { basename } from "node:path";

import { toHex } from "@nix-ota/proto/hash";
import { encryptSecretKey } from "@nix-ota/proto/key-encryption";
import {
  keyId,
  isKeyName,
  printPublicKey,
  printSecretKey,
  publicHalf,
} from "@nix-ota/proto/key-file";

import type { Ask } from "./ask.ts";
import { CliError } from "./cli-error.ts";
import { createDurableFile, createProblem } from "./durable-file.ts";
import type { Output } from "./output.ts";
import { readPassphraseFile } from "./passphrase.ts";

/** The command line of keygen. */
export interface KeygenOptions {
  out: string;
  name?: string | undefined;
  passphrase: boolean;
  passphraseFile?: string | undefined;
}

/**
 * Makes an ed25519 key pair: the private half goes to a file that only its owner may read, the
 * public half to stdout in the form that the NixOS option takes. An existing file stays as it is.
 */
export async function keygen(options: KeygenOptions, ask: Ask, output: Output): Promise<void> {
  const name = options.name ?? nameFor(options.out);
  if (!isKeyName(name))
    throw new CliError(
      "usage",
      `${JSON.stringify(name)} is no key name: letters, digits, dots and dashes, at most 63; give --name`,
    );
  const key = { name, seed: crypto.getRandomValues(new Uint8Array(32)) };
  const passphrase = await newPassphrase(options, ask);
  const text =
    passphrase === undefined ? printSecretKey(key) : await encryptSecretKey(key, passphrase);
  await writeOnce(options.out, `${text}\n`);
  const half = publicHalf(key);
  const publicKey = printPublicKey(half);
  output.note(`private key: ${options.out} (keep it off the server and the devices)`);
  output.note("public key, for services.nix-ota-agent.publicKey on the devices:");
  output.result(
    {
      publicKey,
      keyId: toHex(keyId(half.publicKey)),
      file: options.out,
      encrypted: passphrase !== undefined,
    },
    () => publicKey,
  );
}

function nameFor(file: string): string {
  return basename(file).replace(/\.[^.]*$/u, "");
}

async function newPassphrase(options: KeygenOptions, ask: Ask): Promise<string | undefined> {
  if (options.passphraseFile !== undefined) return readPassphraseFile(options.passphraseFile);
  if (!options.passphrase) return undefined;
  if (!ask.possible)
    throw new CliError(
      "usage",
      "--passphrase asks on a terminal; without one give --passphrase-file",
    );
  const first = await ask.secret("Passphrase for the new key:");
  if (first === "") throw new CliError("key", "the passphrase is empty; nothing was written");
  if ((await ask.secret("The same once more:")) !== first)
    throw new CliError("key", "the passphrases differ; nothing was written");
  return first;
}

/** Never replaces: the old key may be the only way to the fleet. */
async function writeOnce(file: string, text: string): Promise<void> {
  // Its public half is about to be pinned on devices: the key has to survive a power cut.
  await createDurableFile(file, text).catch((error: unknown) => {
    throw new CliError("file", createProblem(error, file), { cause: error });
  });
}
