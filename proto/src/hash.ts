import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";

/** Digits of nix's base32: no e, o, t, u, so that hashes spell no words. */
const NIX_BASE32 = "0123456789abcdfghijklmnpqrsvwxyz";
const SHA256_BYTES = 32;
const SHA256_NIX_BASE32_LENGTH = 52;

/** sha256, 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return nobleSha256(bytes);
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return bytesToHex(bytes);
}

/** Bytes of lower- or upper-case hexadecimal; undefined for anything else. */
export function fromHex(text: string): Uint8Array | undefined {
  return /^(?:[0-9a-fA-F]{2})*$/.test(text) ? hexToBytes(text) : undefined;
}

/** Standard base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/**
 * Bytes of standard base64 with padding; undefined for anything else, also for
 * blanks, missing padding and stray bits, so that each value has one spelling.
 */
export function fromBase64(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return undefined;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return toBase64(bytes) === text ? bytes : undefined;
}

/** Bytes of a sha256 in nix's base32, 52 digits; undefined for anything else. */
export function fromNixBase32(text: string): Uint8Array | undefined {
  if (text.length !== SHA256_NIX_BASE32_LENGTH) return undefined;
  const bytes = new Uint8Array(SHA256_BYTES);
  for (let place = 0; place < text.length; place += 1) {
    // The last digit holds the lowest five bits of the first byte.
    const digit = NIX_BASE32.indexOf(text.charAt(text.length - 1 - place));
    if (digit < 0) return undefined;
    const bit = place * 5;
    const index = bit >> 3;
    const shifted = digit << (bit & 7);
    bytes[index] = (bytes[index] ?? 0) | (shifted & 0xff);
    const carry = shifted >> 8;
    if (carry === 0) continue;
    if (index + 1 >= SHA256_BYTES) return undefined;
    bytes[index + 1] = (bytes[index + 1] ?? 0) | carry;
  }
  return bytes;
}

/**
 * The 64 lower-case hexadecimal digits of a NAR hash in any of nix's spellings:
 * `sha256:` with hexadecimal, base32 or base64, or SRI (`sha256-` with base64).
 * Undefined for other algorithms and anything else.
 */
export function narHashHex(text: string): string | undefined {
  const digits = /^sha256([:-])(.{1,64})$/.exec(text);
  const body = digits?.[2];
  if (body === undefined) return undefined;
  const bytes = digits?.[1] === "-" ? fromBase64(body) : fromTypedHash(body);
  return bytes?.length === SHA256_BYTES ? toHex(bytes) : undefined;
}

function fromTypedHash(body: string): Uint8Array | undefined {
  switch (body.length) {
    case SHA256_BYTES * 2:
      return fromHex(body);
    case SHA256_NIX_BASE32_LENGTH:
      return fromNixBase32(body);
    default:
      return fromBase64(body);
  }
}
