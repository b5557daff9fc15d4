import { ContractError } from "./contract-error.ts";
import { KEY_BYTES, isSoundPublicKey, publicKeyOf } from "./ed25519.ts";
import { fromBase64, sha256, toBase64 } from "./hash.ts";

/** Bytes of a key id. */
export const KEY_ID_BYTES = 16;

/** First word of a private key file that is not encrypted. */
export const SECRET_PREFIX = "nix-ota-ed25519-secret";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** No key file, encrypted or not, comes near it. */
const MAX_KEY_TEXT = 1024;

/** A public key; `name` is empty where the text gave none. */
export interface PublicKey {
  readonly name: string;
  /** 32 bytes, sound (see `isSoundPublicKey`). */
  readonly publicKey: Uint8Array;
}

/** A private key. */
export interface SecretKey {
  readonly name: string;
  /** 32 bytes. */
  readonly seed: Uint8Array;
}

/**
 * First 16 bytes of sha256(public key): names a key in envelopes and reports.
 * A hint for finding it; whether a signature counts is decided by the key.
 */
export function keyId(publicKey: Uint8Array): Uint8Array {
  return sha256(publicKey).slice(0, KEY_ID_BYTES);
}

/** Whether `text` can name a key: letters, digits, `.`, `_`, `-`, at most 63. */
export function isKeyName(text: string): boolean {
  return NAME.test(text);
}

/**
 * Reads `<name>:<base64>` or bare base64, with or without a line feed at the
 * end. Returns the sentence that says what is wrong instead when it is neither,
 * or when signatures under the key would prove nothing.
 */
export function parsePublicKey(text: string): PublicKey | string {
  const parts = fields(text);
  const publicKey = fromBase64(parts.at(-1) ?? "");
  const name = parts.length === 2 ? parts[0] : undefined;
  const named = name === undefined ? parts.length === 1 : isKeyName(name);
  if (!named || publicKey?.length !== KEY_BYTES) {
    return "a public key is written `<name>:<base64 of 32 bytes>`, the name may be left out";
  }
  if (!isSoundPublicKey(publicKey)) {
    return "the public key is not a sound ed25519 key; make one with `nix-ota keygen`";
  }
  return { name: name ?? "", publicKey };
}

/**
 * `<name>:<base64>`, without a line feed.
 *
 * @throws {ContractError} kind `text` when the name cannot be one.
 */
export function printPublicKey({ name, publicKey }: PublicKey): string {
  if (name === "") return toBase64(publicKey);
  return `${soundName(name)}:${toBase64(publicKey)}`;
}

/** The public half of a private key. */
export function publicHalf({ name, seed }: SecretKey): PublicKey {
  return { name, publicKey: publicKeyOf(seed) };
}

/**
 * Reads `nix-ota-ed25519-secret:<name>:<base64 of the seed>`, or returns the
 * sentence that says what is wrong, which never repeats the text.
 */
export function parseSecretKey(text: string): SecretKey | string {
  const [prefix, name, encoded, ...more] = fields(text);
  const seed = fromBase64(encoded ?? "");
  if (
    prefix !== SECRET_PREFIX ||
    more.length > 0 ||
    !isKeyName(name ?? "") ||
    seed?.length !== KEY_BYTES
  ) {
    return `a private key is written \`${SECRET_PREFIX}:<name>:<base64 of 32 bytes>\``;
  }
  return { name: name ?? "", seed };
}

/**
 * `nix-ota-ed25519-secret:<name>:<base64 of the seed>`, without a line feed.
 *
 * @throws {ContractError} kind `text` when the name cannot be one, `seed` when
 * the seed is not 32 bytes.
 */
export function printSecretKey({ name, seed }: SecretKey): string {
  if (seed.length !== KEY_BYTES) {
    throw new ContractError("seed", `a seed has ${KEY_BYTES} bytes, not ${seed.length}`);
  }
  return `${SECRET_PREFIX}:${soundName(name)}:${toBase64(seed)}`;
}

function soundName(name: string): string {
  if (isKeyName(name)) return name;
  throw new ContractError("text", "a key name has 1 to 63 letters, digits, dots, dashes");
}

function fields(text: string): string[] {
  return text.length > MAX_KEY_TEXT ? [] : text.trim().split(":");
}
