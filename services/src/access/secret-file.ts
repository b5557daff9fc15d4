import { readFileSync } from "node:fs";

import { digestOfSecret } from "./secret.ts";

/** Below it a secret can be guessed. */
const LEAST_BYTES = 32;
/** No secret is longer; a larger file is the wrong one. */
const MOST_BYTES = 4096;

/** A secret in a file of the server's host, as far as the server has to know it. */
export interface FileSecret {
  /** See `digestOfSecret`. */
  readonly digest: Uint8Array;
}

/**
 * Reads a file with one secret; blanks and line feeds around it do not count.
 * Returns the sentence that says what is wrong, without the secret.
 */
export function readSecretFile(
  file: string,
  what: "publish token" | "admin token",
): FileSecret | string {
  let secret: string;
  try {
    secret = readFileSync(file, "utf8").trim();
  } catch (cause) {
    return `the ${what} file ${file} cannot be read: ${(cause as Error).message}`;
  }
  const bytes = Buffer.byteLength(secret);
  if (bytes < LEAST_BYTES || bytes > MOST_BYTES || /\s/.test(secret)) {
    return `the ${what} file ${file} must hold one secret of at least ${LEAST_BYTES} bytes; make one with: openssl rand -hex 32 > ${file}`;
  }
  return { digest: digestOfSecret(secret) };
}
