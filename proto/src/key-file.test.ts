import { Point } from "@noble/ed25519";
import { describe, expect, test } from "vitest";

import { publicKeyOf } from "./ed25519.ts";
import { toBase64, toHex } from "./hash.ts";
import {
  keyId,
  parsePublicKey,
  parseSecretKey,
  printPublicKey,
  printSecretKey,
  publicHalf,
} from "./key-file.ts";
import { pointOfOrderEight, smallOrderPoints } from "./torsion.testkit.ts";

const seed = new Uint8Array(32).fill(7);
const publicKey = publicKeyOf(seed);
const SEED64 = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
const PUBLIC64 = "6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";

test("the text forms are these", () => {
  expect({
    secret: printSecretKey({ name: "release-1", seed }),
    public: printPublicKey({ name: "release-1", publicKey }),
    bare: printPublicKey({ name: "", publicKey }),
    half: publicHalf({ name: "release-1", seed }),
    id: toHex(keyId(publicKey)),
  }).toEqual({
    secret: `nix-ota-ed25519-secret:release-1:${SEED64}`,
    public: `release-1:${PUBLIC64}`,
    bare: PUBLIC64,
    half: { name: "release-1", publicKey },
    id: "fe812c12f3ab4ce6ac5db69ac352f906",
  });
});

test("both forms of a public key and a private key are read back, with a line feed or without", () => {
  expect([
    parsePublicKey(`release-1:${PUBLIC64}\n`),
    parsePublicKey(PUBLIC64),
    parseSecretKey(`nix-ota-ed25519-secret:release-1:${SEED64}\n`),
  ]).toEqual([
    { name: "release-1", publicKey },
    { name: "", publicKey },
    { name: "release-1", seed },
  ]);
});

describe("what is no public key is told so", () => {
  test.each([
    "",
    ":",
    `:${PUBLIC64}`,
    `a:${PUBLIC64}x`,
    `a:b:${PUBLIC64}`,
    `-a:${PUBLIC64}`,
    `a b:${PUBLIC64}`,
    PUBLIC64.slice(1),
    PUBLIC64.replace("=", ""),
    PUBLIC64.replace("iw=", "ix="),
    toBase64(new Uint8Array(31)),
    toBase64(new Uint8Array(64)),
    `nix-ota-ed25519-secret:a:${SEED64}`,
    "x".repeat(2_000),
  ])("%j", (text) => {
    expect(parsePublicKey(text)).toContain("a public key is written");
  });

  test("a key under which signatures prove nothing", () => {
    const mixed = Point.fromBytes(publicKey).add(pointOfOrderEight());
    const answers = [...smallOrderPoints(), mixed].map((point) => {
      return parsePublicKey(`weak:${toBase64(point.toBytes())}`);
    });
    expect(answers).toEqual(
      answers.map(
        () => "the public key is not a sound ed25519 key; make one with `nix-ota keygen`",
      ),
    );
  });
});

describe("what is no private key is told so, without repeating it", () => {
  test.each([
    "",
    SEED64,
    `a:${SEED64}`,
    `nix-ota-ed25519-secret:${SEED64}`,
    `nix-ota-ed25519-secret::${SEED64}`,
    `nix-ota-ed25519-secret:a:b:${SEED64}`,
    `nix-ota-ed25519-secret:a:${SEED64.slice(4)}`,
    `NIX-OTA-ED25519-SECRET:a:${SEED64}`,
    "nix-ota-ed25519-secret:a:",
  ])("%j", (text) => {
    expect(parseSecretKey(text)).toBe(
      "a private key is written `nix-ota-ed25519-secret:<name>:<base64 of 32 bytes>`",
    );
  });
});

test("a name or a seed that cannot be written is refused", () => {
  expect(() => printSecretKey({ name: "", seed })).toThrow("a key name has 1 to 63");
  expect(() => printPublicKey({ name: "a:b", publicKey })).toThrow("a key name has 1 to 63");
  expect(() => printSecretKey({ name: "a", seed: seed.subarray(1) })).toThrow("not 31");
});
