import { Point, verify } from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";
import { concatBytes } from "@noble/hashes/utils.js";
import { expect, test } from "vitest";

import { isSoundPublicKey, publicKeyOf, signEd25519, verifyEd25519 } from "./ed25519.ts";
import {
  L,
  P,
  littleEndian,
  nonCanonicalSmallOrder,
  pointBytes,
  pointOfOrderEight,
  smallOrderPoints,
  toNumber,
} from "./torsion.testkit.ts";

const seed = new Uint8Array(32).fill(7);
const publicKey = publicKeyOf(seed);
const message = new TextEncoder().encode("take revision 42");
const signature = signEd25519(message, seed);

/** What the library accepts in its default mode: shows that an attack is one. */
function verifiesUnderZip215(key: Uint8Array, text: Uint8Array, sig: Uint8Array): boolean {
  return verify(sig, text, key);
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return concatBytes(...parts);
}

/** k of RFC 8032: the challenge over R, key and message. */
function challenge(r: Uint8Array, key: Uint8Array, text: Uint8Array): bigint {
  return toNumber(sha512(joined(r, key, text))) % L;
}

/** The private scalar of a seed. */
function scalarOf(ofSeed: Uint8Array): bigint {
  const head = toNumber(sha512(ofSeed).slice(0, 32));
  return (head & ((1n << 254n) - 8n)) | (1n << 254n);
}

test("a signature verifies under its key and message and under no other", () => {
  const otherKey = publicKeyOf(new Uint8Array(32).fill(8));
  const otherMessage = new TextEncoder().encode("take revision 43");
  expect({
    own: verifyEd25519(publicKey, message, signature),
    otherKey: verifyEd25519(otherKey, message, signature),
    otherMessage: verifyEd25519(publicKey, otherMessage, signature),
  }).toEqual({ own: true, otherKey: false, otherMessage: false });
});

test("wrong lengths and things that are no bytes read as not verifying", () => {
  const lengths = [0, 1, 31, 33, 63, 65, 128];
  const wrong = [
    ...lengths.map((n) => verifyEd25519(new Uint8Array(n), message, signature)),
    ...lengths.map((n) => verifyEd25519(publicKey, message, new Uint8Array(n))),
    verifyEd25519(publicKey, message, signature.subarray(0, 63)),
    verifyEd25519(publicKey, message, joined(signature, Uint8Array.of(0))),
    verifyEd25519("key" as unknown as Uint8Array, message, signature),
    verifyEd25519(publicKey, undefined as unknown as Uint8Array, signature),
    verifyEd25519(publicKey, message, null as unknown as Uint8Array),
  ];
  expect(wrong).toEqual(wrong.map(() => false));
});

test("every single bit of a signature matters", () => {
  const accepted: number[] = [];
  for (let bit = 0; bit < 512; bit += 5) {
    const changed = Uint8Array.from(signature);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    if (verifyEd25519(publicKey, message, changed)) accepted.push(bit);
  }
  expect(accepted).toEqual([]);
});

test("a signature that anybody can make under a small-order key does not verify", () => {
  const keys = [...smallOrderPoints().map((point) => point.toBytes()), ...nonCanonicalSmallOrder()];
  // 8 times such a key is 0, so any R = S·B fits every message.
  const forged = joined(Point.BASE.multiply(5n).toBytes(), littleEndian(5n));
  const nothing = joined(Point.ZERO.toBytes(), littleEndian(0n));
  expect(keys.length).toBeGreaterThanOrEqual(14);
  for (const key of keys) {
    for (const sig of [forged, nothing]) {
      expect([verifiesUnderZip215(key, message, sig), verifyEd25519(key, message, sig)]).toEqual([
        true,
        false,
      ]);
    }
  }
});

test("a signature whose point is not canonically encoded does not verify", () => {
  for (const r of nonCanonicalSmallOrder()) {
    const s = (challenge(r, publicKey, message) * scalarOf(seed)) % L;
    const sig = joined(r, littleEndian(s));
    expect([
      verifiesUnderZip215(publicKey, message, sig),
      verifyEd25519(publicKey, message, sig),
    ]).toEqual([true, false]);
  }
});

test("a signature made malleable by adding the group order does not verify", () => {
  const s = toNumber(signature.subarray(32));
  for (let sum = s + L; sum < 1n << 256n; sum += L) {
    expect(
      verifyEd25519(publicKey, message, joined(signature.subarray(0, 32), littleEndian(sum))),
    ).toBe(false);
  }
});

test("a key of mixed order may verify but is never sound to pin", () => {
  const mixed = Point.fromBytes(publicKey).add(pointOfOrderEight()).toBytes();
  const r = Point.BASE.multiply(9n).toBytes();
  const s = (9n + challenge(r, mixed, message) * scalarOf(seed)) % L;
  const sig = joined(r, littleEndian(s));
  expect({
    verifies: verifyEd25519(mixed, message, sig),
    sound: isSoundPublicKey(mixed),
    soundWithoutTorsion: isSoundPublicKey(publicKey),
  }).toEqual({ verifies: true, sound: false, soundWithoutTorsion: true });
});

test("keys of small order, off the curve, not canonical or of a wrong length are not sound", () => {
  const beyondModulus = Array.from({ length: 19 }, (_, index) => P + BigInt(index)).flatMap((y) => [
    pointBytes(y, false),
    pointBytes(y, true),
  ]);
  const unsound = [
    ...smallOrderPoints().map((point) => point.toBytes()),
    ...nonCanonicalSmallOrder(),
    ...beyondModulus,
    pointBytes(2n, false),
    new Uint8Array(0),
    publicKey.subarray(0, 31),
    joined(publicKey, Uint8Array.of(0)),
  ];
  expect(unsound.filter(isSoundPublicKey)).toEqual([]);
});

test("there are eight small-order points, of which the identity is one", () => {
  const points = smallOrderPoints();
  const encodings = new Set(points.map((point) => point.toHex()));
  expect({
    distinct: encodings.size,
    allSmall: points.every((point) => point.isSmallOrder()),
    orderEight: pointOfOrderEight().double().double().is0(),
  }).toEqual({ distinct: 8, allSmall: true, orderEight: false });
});

test("a seed of another length than 32 is refused with its length", () => {
  expect(() => publicKeyOf(new Uint8Array(31))).toThrow("a seed has 32 bytes, not 31");
  expect(() => signEd25519(message, new Uint8Array(64))).toThrow("a seed has 32 bytes, not 64");
});
