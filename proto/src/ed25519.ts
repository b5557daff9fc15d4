import { Point, getPublicKey, hashes, sign, verify } from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";

import { ContractError } from "./contract-error.ts";

// The library's synchronous calls need a hash from outside.
hashes.sha512 = sha512;

/** Bytes of a seed (private key) and of a public key. */
export const KEY_BYTES = 32;
/** Bytes of a signature. */
export const SIGNATURE_BYTES = 64;

/**
 * Whether `signature` is an Ed25519 signature (RFC 8032) of `message` by the
 * holder of `publicKey`. The only verifier of the project.
 *
 * Never throws: wrong lengths, encodings that are not canonical and keys of
 * small order read as "does not verify". Some two milliseconds.
 */
export function verifyEd25519(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    // The library's default follows ZIP 215, under which a small-order key
    // "verifies" every message and points have several spellings.
    return verify(signature, message, publicKey, { zip215: false });
  } catch {
    // It throws for values of the wrong length or type; no such signature is valid.
    return false;
  }
}

/**
 * Signature of `message`, 64 bytes, always the same for the same seed.
 *
 * @throws {ContractError} kind `seed` when the seed is not 32 bytes.
 */
export function signEd25519(message: Uint8Array, seed: Uint8Array): Uint8Array {
  return sign(message, soundSeed(seed));
}

/**
 * Public key of a seed, 32 bytes.
 *
 * @throws {ContractError} kind `seed` when the seed is not 32 bytes.
 */
export function publicKeyOf(seed: Uint8Array): Uint8Array {
  return getPublicKey(soundSeed(seed));
}

/**
 * Whether a key may be pinned: 32 bytes, canonical, on the curve, in the group
 * of prime order and not its identity. Under other keys signatures can be made
 * without a private key, or verifiers disagree. Ask when a key is loaded.
 */
export function isSoundPublicKey(publicKey: Uint8Array): boolean {
  try {
    const point = Point.fromBytes(publicKey, false);
    return !point.isSmallOrder() && point.isTorsionFree();
  } catch {
    // Not the encoding of a point.
    return false;
  }
}

function soundSeed(seed: Uint8Array): Uint8Array {
  if (seed.length === KEY_BYTES) return seed;
  throw new ContractError("seed", `a seed has ${KEY_BYTES} bytes, not ${seed.length}`);
}
