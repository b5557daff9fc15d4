import { isSoundPublicKey } from "@nix-ota/proto/ed25519";
import { toHex } from "@nix-ota/proto/hash";

import { OtaError } from "../ota-error.ts";

/** Keys and how many of them have to sign. */
export interface ChannelKeys {
  readonly threshold: number;
  readonly keys: readonly { readonly publicKey: Uint8Array; readonly name: string }[];
}

/** What the audit keeps of a channel's keys. */
export function keyFacts({ threshold, keys }: ChannelKeys) {
  return { threshold, keys: keys.map(({ publicKey, name }) => `${toHex(publicKey)} ${name}`) };
}

/**
 * The keys, each once, as a channel can be pinned to them.
 *
 * @throws {OtaError} KEYS_DIFFER for a key that is none, and for a threshold that
 * no signers could reach.
 */
export function requireSoundKeys({ threshold, keys }: ChannelKeys): ChannelKeys {
  for (const { publicKey } of keys) {
    if (isSoundPublicKey(publicKey)) continue;
    throw new OtaError(
      "KEYS_DIFFER",
      `the key ${toHex(publicKey)} is not a sound ed25519 key; make one with \`nix-ota keygen\``,
    );
  }
  const byHex = new Map(keys.map((key) => [toHex(key.publicKey), key]));
  if (byHex.size > 0 && threshold > byHex.size) {
    throw new OtaError(
      "KEYS_DIFFER",
      `the threshold is ${threshold} of ${byHex.size} distinct keys; lower it, or give more keys`,
    );
  }
  return { threshold, keys: [...byHex.values()] };
}
