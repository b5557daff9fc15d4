import { createHash, timingSafeEqual } from "node:crypto";

/** What is kept of a secret: 32 bytes that tell nothing of it. */
export function digestOfSecret(secret: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(secret).digest());
}

/** Whether two digests of secrets are the same, in time that does not tell where they differ. */
export function sameDigest(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
