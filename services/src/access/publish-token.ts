import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

/** Below it a token can be guessed. */
const LEAST_BYTES = 32;
/** No secret is longer; a larger file is the wrong one. */
const MOST_BYTES = 4096;

/** The publish token, as far as a server has to know it. */
export interface PublishToken {
  /** Whether a presented secret is the token, in time that tells nothing. */
  matches(secret: string): boolean;
}

/**
 * Reads the publish token's file; blanks and line feeds around it do not count.
 * Returns the sentence that says what is wrong, without the secret.
 */
export function readPublishToken(file: string): PublishToken | string {
  let secret: string;
  try {
    secret = readFileSync(file, "utf8").trim();
  } catch (cause) {
    return `the publish token file ${file} cannot be read: ${(cause as Error).message}`;
  }
  const bytes = Buffer.byteLength(secret);
  if (bytes < LEAST_BYTES || bytes > MOST_BYTES || /\s/.test(secret)) {
    return `the publish token file ${file} must hold one secret of at least ${LEAST_BYTES} bytes; make one with: openssl rand -hex 32 > ${file}`;
  }
  const digest = digestOf(secret);
  return { matches: (presented) => timingSafeEqual(digestOf(presented), digest) };
}

/** Equal lengths for the comparison, and no plain secret kept in memory. */
function digestOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
