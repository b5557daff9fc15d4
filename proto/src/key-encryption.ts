import { scryptAsync } from "@noble/hashes/scrypt.js";

import { ContractError } from "./contract-error.ts";
import { KEY_BYTES } from "./ed25519.ts";
import { fromBase64, toBase64 } from "./hash.ts";
import { isKeyName, type SecretKey } from "./key-file.ts";

/** First word of an encrypted private key file. */
export const ENCRYPTED_PREFIX = "nix-ota-ed25519-encrypted";

/** scrypt's cost as a power of two: 128 MiB and about a second for each guess. */
const DEFAULT_COST_LOG2 = 17;
/** Costs taken from a file; more could be meant to exhaust the memory. */
const MIN_COST_LOG2 = 10;
const MAX_COST_LOG2 = 20;
const BLOCK_SIZE = 8;
const SALT_BYTES = 16;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const MAX_TEXT = 1024;

/** Whether a key file has to be decrypted before it can be used. */
export function isEncryptedKey(text: string): boolean {
  return text.trimStart().startsWith(`${ENCRYPTED_PREFIX}:`);
}

/**
 * The encrypted text form of a private key, without a line feed:
 * `nix-ota-ed25519-encrypted:<name>:scrypt:<cost>:<salt>:<iv>:<sealed>`, where
 * `cost` is the base-2 logarithm of scrypt's N (r = 8, p = 1), salt (16 bytes),
 * iv (12) and the AES-256-GCM sealed seed (32 + 16) are base64, and everything
 * up to the last colon is authenticated with it.
 *
 * @param costLog2 10 to 20, default 17.
 * @throws {ContractError} kind `text` for an empty passphrase, a bad name or
 * cost; kind `seed` for a wrong length.
 */
export async function encryptSecretKey(
  { name, seed }: SecretKey,
  passphrase: string,
  costLog2: number = DEFAULT_COST_LOG2,
): Promise<string> {
  if (passphrase === "") throw new ContractError("text", "the passphrase is empty");
  if (!isKeyName(name)) throw new ContractError("text", "the key has no usable name");
  if (!isCost(costLog2)) {
    throw new ContractError("text", `the cost is ${MIN_COST_LOG2} to ${MAX_COST_LOG2}`);
  }
  if (seed.length !== KEY_BYTES) {
    throw new ContractError("seed", `a seed has ${KEY_BYTES} bytes, not ${seed.length}`);
  }
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const header = [ENCRYPTED_PREFIX, name, "scrypt", costLog2, toBase64(salt), toBase64(iv)];
  const prefix = `${header.join(":")}:`;
  const key = await derivedKey(passphrase, salt, costLog2);
  const sealed = await crypto.subtle.encrypt(sealing(iv, prefix), key, Uint8Array.from(seed));
  return prefix + toBase64(new Uint8Array(sealed));
}

/**
 * Opens the text form of `encryptSecretKey`, or returns the sentence that says
 * what is wrong: not the form, or not the passphrase.
 */
export async function decryptSecretKey(
  text: string,
  passphrase: string,
): Promise<SecretKey | string> {
  const file = text.length > MAX_TEXT ? undefined : readForm(text.trim());
  if (file === undefined) {
    return `an encrypted private key is written \`${ENCRYPTED_PREFIX}:<name>:scrypt:<cost>:<salt>:<iv>:<sealed>\``;
  }
  const key = await derivedKey(passphrase, file.salt, file.costLog2);
  try {
    const opened = await crypto.subtle.decrypt(sealing(file.iv, file.prefix), key, file.sealed);
    return { name: file.name, seed: new Uint8Array(opened) };
  } catch {
    // WebCrypto says no more than that the tag does not fit.
    return "the passphrase is wrong, or the key file was changed";
  }
}

function readForm(text: string) {
  const [prefix, name = "", scheme, cost = "", salt64 = "", iv64 = "", sealed64 = "", ...more] =
    text.split(":");
  const [salt, iv, sealed] = [fromBase64(salt64), fromBase64(iv64), fromBase64(sealed64)];
  const costLog2 = /^[1-9][0-9]$/.test(cost) ? Number(cost) : 0;
  if (prefix !== ENCRYPTED_PREFIX || scheme !== "scrypt" || more.length > 0) return undefined;
  if (!isKeyName(name) || !isCost(costLog2)) return undefined;
  if (salt?.length !== SALT_BYTES || iv?.length !== IV_BYTES) return undefined;
  if (sealed?.length !== KEY_BYTES + TAG_BYTES) return undefined;
  return { name, costLog2, salt, iv, sealed, prefix: text.slice(0, -sealed64.length) };
}

function isCost(costLog2: number): boolean {
  return Number.isInteger(costLog2) && costLog2 >= MIN_COST_LOG2 && costLog2 <= MAX_COST_LOG2;
}

function sealing(iv: Uint8Array, prefix: string) {
  return {
    name: "AES-GCM",
    iv: Uint8Array.from(iv),
    additionalData: new TextEncoder().encode(prefix),
  };
}

async function derivedKey(passphrase: string, salt: Uint8Array, costLog2: number) {
  // The same passphrase can be typed composed or decomposed.
  const secret = passphrase.normalize("NFKC");
  const derived = await scryptAsync(secret, salt, {
    N: 2 ** costLog2,
    r: BLOCK_SIZE,
    p: 1,
    dkLen: 32,
    maxmem: 2 ** 31,
  });
  return crypto.subtle.importKey("raw", Uint8Array.from(derived), "AES-GCM", false, [
    "encrypt",
    "decrypt",
  ]);
}
