import { randomBytes } from "node:crypto";

import { digestOfSecret } from "./secret.ts";

/**
 * How a secret token begins, so that one that leaked is recognised:
 * `nota` speaks for an operator, `noe` lets a device enrol.
 */
export type SecretTokenPrefix = "nota" | "noe";

/** A token as far as a server keeps it. */
export interface TokenDigest {
  /** Public part, 16 hexadecimal digits. */
  readonly id: string;
  /** sha256 of the whole token, 32 bytes. */
  readonly sha256: Uint8Array;
}

const ID_BYTES = 8;
const SECRET_BYTES = 32;

/** Makes `<prefix>_<id>_<secret>`; the text is what its holder is told once. */
export function makeSecretToken(
  prefix: SecretTokenPrefix,
): TokenDigest & { readonly text: string } {
  const id = randomBytes(ID_BYTES).toString("hex");
  const text = `${prefix}_${id}_${randomBytes(SECRET_BYTES).toString("hex")}`;
  return { id, text, sha256: digestOfSecret(text) };
}

/** What a presented text is looked up and compared by; undefined: it is no such token. */
export function readSecretToken(prefix: SecretTokenPrefix, text: string): TokenDigest | undefined {
  const [, name, id] = /^([a-z]+)_([0-9a-f]{16})_[0-9a-f]{64}$/.exec(text) ?? [];
  return id === undefined || name !== prefix ? undefined : { id, sha256: digestOfSecret(text) };
}

/** Whether `text` can be the public part of a token. */
export function isTokenId(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text);
}
