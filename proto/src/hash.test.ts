import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { fromBase64, fromHex, fromNixBase32, narHashHex, sha256, toBase64, toHex } from "./hash.ts";

// sha256 of "hello world\n" as nix and coreutils print it.
const HEX = "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447";
const BASE32 = "0ix4jahrkll5zg01wandq78jw3ab30q4nscph67rniqg5x7r0j59";
const BASE64 = "qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc=";

test("sha256 is that of the standard", () => {
  expect(toHex(sha256(new TextEncoder().encode("hello world\n")))).toBe(HEX);
});

describe("a NAR hash", () => {
  test.each([
    ["SRI", `sha256-${BASE64}`],
    ["base64", `sha256:${BASE64}`],
    ["base32", `sha256:${BASE32}`],
    ["hexadecimal", `sha256:${HEX}`],
    ["hexadecimal in capitals", `sha256:${HEX.toUpperCase()}`],
  ])("is read in the spelling %s", (_, text) => {
    expect(narHashHex(text)).toBe(HEX);
  });

  test.each([
    "",
    HEX,
    BASE32,
    `sha512:${HEX}`,
    `md5:${HEX}`,
    `sha256:${HEX}0`,
    `sha256:${HEX.slice(1)}`,
    `sha256-${HEX}`,
    `sha256-${BASE32}`,
    `sha256-${BASE64.replace("=", "")}`,
    `sha256-${BASE64} `,
    `sha256-${BASE64}\n`,
    `sha256-${BASE64.replace("Ec=", "Ed=")}`,
    `sha256:${BASE32.replace("0", "e")}`,
    `sha256:z${BASE32.slice(1)}`,
    "sha256:",
    "sha256-",
    ` sha256:${HEX}`,
  ])("is not read in %j", (text) => {
    expect(narHashHex(text)).toBeUndefined();
  });
});

/** nix's base32 the way its manual defines it: five bits a digit, from the end. */
function toNixBase32(bytes: Uint8Array): string {
  const number = bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  return Array.from({ length: 52 }, (_, index) => {
    return "0123456789abcdfghijklmnpqrsvwxyz".charAt(
      Number((number >> BigInt(5 * (51 - index))) & 31n),
    );
  }).join("");
}

test("hexadecimal, base64 and base32 read back what was written", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      expect(fromHex(toHex(bytes))).toEqual(bytes);
      expect(fromBase64(toBase64(bytes))).toEqual(bytes);
      expect(fromNixBase32(toNixBase32(bytes))).toEqual(bytes);
    }),
  );
});

test("a text is base64 in one spelling only", () => {
  fc.assert(
    fc.property(fc.base64String({ maxLength: 12 }), fc.string({ maxLength: 12 }), (valid, any) => {
      for (const text of [valid, any]) {
        const bytes = fromBase64(text);
        expect(bytes === undefined ? text : toBase64(bytes)).toBe(text);
      }
    }),
  );
});

test.each(["a", "zz", "0x00", "aé"])("%j is not hexadecimal", (text) => {
  expect(fromHex(text)).toBeUndefined();
});
