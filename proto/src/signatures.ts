import type { Signature } from "../gen/nixota/v1/manifest_pb.ts";
import { sameBytes } from "./bytes.ts";
import { verifyEd25519 } from "./ed25519.ts";
import { keyId } from "./key-file.ts";
import { preAuthEncoding } from "./pae.ts";
import { MANIFEST_TYPE } from "./signed-manifest.ts";

/**
 * Most verifications for one envelope, 16 signatures by 16 keys: about half a
 * second of work. What is left after them counts as not verifying.
 */
const MAX_VERIFICATIONS = 256;

/**
 * The distinct pinned keys that signed a manifest's payload, in the order of
 * the pins. Keys are counted and not signatures, so that one key cannot reach a
 * threshold alone. A key id only says which keys to try first: with a wrong one
 * a good signature verifies all the same, with a right one a bad signature
 * does not.
 */
export function verifiedKeys(
  payload: Uint8Array,
  signatures: readonly Signature[],
  pinned: readonly Uint8Array[],
): readonly Uint8Array[] {
  const signed = preAuthEncoding(MANIFEST_TYPE, payload);
  const keys = pinned
    .filter((key, index) => pinned.findIndex((other) => sameBytes(other, key)) === index)
    .map((key) => ({ key, id: keyId(key), verified: false }));
  let left = MAX_VERIFICATIONS;
  for (const { keyId: hint, signature } of signatures) {
    const candidates = keys.filter(({ verified }) => !verified);
    const [hinted, others] = [
      candidates.filter(({ id }) => sameBytes(id, hint)),
      candidates.filter(({ id }) => !sameBytes(id, hint)),
    ];
    for (const candidate of [...hinted, ...others].slice(0, left)) {
      left -= 1;
      candidate.verified = verifyEd25519(candidate.key, signed, signature);
      if (candidate.verified) break;
    }
  }
  return keys.filter(({ verified }) => verified).map(({ key }) => key);
}
