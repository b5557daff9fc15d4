import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { ManifestSchema, SignedManifestSchema } from "../gen/nixota/v1/manifest_pb.ts";
import { publicKeyOf } from "./ed25519.ts";
import { toHex } from "./hash.ts";
import { keyId } from "./key-file.ts";
import { SEED, sampleManifest, seedOf } from "./sample-manifest.testkit.ts";
import { verifiedKeys } from "./signatures.ts";
import {
  MANIFEST_TYPE,
  addSignature,
  decodeEnvelope,
  keepSignaturesOf,
  signManifest,
  signPayload,
  uniteSignatures,
} from "./signed-manifest.ts";
import { bytesField, joined } from "./wire.testkit.ts";

const seeds = Array.from({ length: 17 }, (_, index) => seedOf(index + 1));
const keys = seeds.map(publicKeyOf);

function opened(envelopeBytes: Uint8Array) {
  const decoded = decodeEnvelope(envelopeBytes);
  if (!decoded.ok) throw new Error(decoded.message);
  return decoded.envelope;
}

/** Which of the test's keys signed, by their place. */
function signers(envelopeBytes: Uint8Array): number[] {
  const { payload, signatures } = opened(envelopeBytes);
  const verified = new Set(verifiedKeys(payload, signatures, keys).map(toHex));
  return keys.flatMap((key, index) => (verified.has(toHex(key)) ? [index] : []));
}

/** An envelope with whatever signatures, which the library would not make. */
function envelopeWith(signatures: { keyId: Uint8Array; signature: Uint8Array }[]): Uint8Array {
  const payload = toBinary(ManifestSchema, sampleManifest());
  const message = create(SignedManifestSchema, { payload, payloadType: MANIFEST_TYPE, signatures });
  return toBinary(SignedManifestSchema, message);
}

describe("signing", () => {
  test("a manifest gives an envelope of its bytes, its type and one signature a seed", () => {
    const envelope = opened(signManifest(sampleManifest(), seeds.slice(0, 2)));
    expect({
      manifest: fromBinary(ManifestSchema, envelope.payload),
      type: envelope.payloadType,
      ids: envelope.signatures.map((one) => toHex(one.keyId)).toSorted(),
    }).toEqual({
      manifest: sampleManifest(),
      type: "application/vnd.nix-ota.manifest.v1+protobuf",
      ids: keys
        .slice(0, 2)
        .map((key) => toHex(keyId(key)))
        .toSorted(),
    });
  });

  test("the order of the seeds and a repeated one change nothing", () => {
    const [a, b] = [seedOf(1), seedOf(2)];
    expect(signManifest(sampleManifest(), [a, b, a])).toEqual(
      signManifest(sampleManifest(), [b, a]),
    );
  });

  test("a payload that another machine prepared is signed as it is", () => {
    const payload = toBinary(ManifestSchema, sampleManifest());
    expect(signPayload(payload, [SEED])).toEqual(signManifest(sampleManifest(), [SEED]));
  });

  test.each([
    ["no seed", () => signManifest(sampleManifest(), []), "signatures"],
    ["17 seeds", () => signManifest(sampleManifest(), seeds), "signatures"],
    ["a seed of 31 bytes", () => signManifest(sampleManifest(), [new Uint8Array(31)]), "seed"],
    ["a payload over 16 KiB", () => signPayload(new Uint8Array(16_385), [SEED]), "too-large"],
    ["adding to what is no envelope", () => addSignature(new Uint8Array(3), SEED), "envelope"],
  ])("%s is refused", (_, act, kind) => {
    expect(act).toThrow(expect.objectContaining({ name: "ContractError", kind }));
  });

  test("a payload of exactly 16 KiB with 16 signatures fits the envelope", () => {
    const envelope = signPayload(new Uint8Array(16_384).fill(1), seeds.slice(0, 16));
    expect(decodeEnvelope(envelope).ok).toBe(true);
  });
});

describe("more signatures", () => {
  const first = signManifest(sampleManifest(), [seedOf(1)]);

  test("another key's is added, the same key's is not added twice", () => {
    const both = addSignature(first, seedOf(2));
    expect([signers(both), addSignature(both, seedOf(1))]).toEqual([[0, 1], both]);
  });

  test("envelopes of different payloads are not united", () => {
    const other = signManifest(sampleManifest({ revision: 43n }), [seedOf(2)]);
    expect(() => uniteSignatures(first, other)).toThrow("the payloads of the two envelopes differ");
  });

  test("an envelope of another payload type is not united", () => {
    const { payload, signatures } = opened(first);
    const foreign = toBinary(
      SignedManifestSchema,
      create(SignedManifestSchema, { payload, payloadType: "text/plain", signatures }),
    );
    expect(() => uniteSignatures(first, foreign)).toThrow("something else than a manifest");
  });

  test("over 16 together are not united", () => {
    const [left, right] = [seeds.slice(0, 9), seeds.slice(8)].map((some) =>
      signManifest(sampleManifest(), some),
    ) as [Uint8Array, Uint8Array];
    expect(() => uniteSignatures(left, right)).toThrow("1 to 16 signatures, not 17");
  });

  test("uniting is commutative, associative and idempotent and keeps every signer", () => {
    const made = seeds.slice(0, 5).map((seed) => signManifest(sampleManifest(), [seed]));
    const unite = (places: readonly number[]) =>
      places.map((place) => made[place] as Uint8Array).reduce((a, b) => uniteSignatures(a, b));
    const some = fc.array(fc.nat(4), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(some, some, some, (a, b, c) => {
        const [x, y, z] = [unite(a), unite(b), unite(c)];
        const united = uniteSignatures(x, y);
        expect(uniteSignatures(y, x)).toEqual(united);
        expect(uniteSignatures(united, united)).toEqual(united);
        expect(uniteSignatures(uniteSignatures(x, y), z)).toEqual(
          uniteSignatures(x, uniteSignatures(y, z)),
        );
        expect(opened(united).payload).toEqual(opened(x).payload);
        const expected = [...new Set([...a, ...b])];
        expect(opened(united).signatures.length).toBe(expected.length);
      }),
      { numRuns: 50 },
    );
    expect(signers(unite([3, 0, 3, 2]))).toEqual([0, 2, 3]);
  });

  test("what strangers and forgers put in is dropped, one signature a key is kept", () => {
    const { signatures } = opened(signManifest(sampleManifest(), seeds.slice(0, 3)));
    const junk = Array.from({ length: 13 }, (_, index) => ({
      keyId: keyId(keys[0] as Uint8Array),
      signature: new Uint8Array(64).fill(index + 1),
    }));
    const stuffed = envelopeWith([...junk, ...signatures]);
    const kept = keepSignaturesOf(stuffed, keys.slice(0, 2));
    expect(kept).toEqual(signManifest(sampleManifest(), seeds.slice(0, 2)));
  });

  test("an envelope that none of the keys signed leaves nothing to keep", () => {
    expect(() => keepSignaturesOf(first, [keys[5] as Uint8Array])).toThrow("not 0");
  });
});

describe("reading an envelope", () => {
  const good = { keyId: new Uint8Array(16), signature: new Uint8Array(64) };

  test.each([
    ["none", [], "the envelope carries no signature"],
    ["17 signatures", Array.from({ length: 17 }, () => good), "carries 17 signatures, over 16"],
    [
      "a signature of 63 bytes",
      [{ ...good, signature: new Uint8Array(63) }],
      "a signature has 63 bytes, not 64",
    ],
    [
      "a signature of 65 bytes",
      [good, { ...good, signature: new Uint8Array(65) }],
      "a signature has 65 bytes, not 64",
    ],
    [
      "a key id of 15 bytes",
      [{ ...good, keyId: new Uint8Array(15) }],
      "a key id has 15 bytes, not 16",
    ],
    [
      "a key id of 32 bytes",
      [{ ...good, keyId: new Uint8Array(32) }],
      "a key id has 32 bytes, not 16",
    ],
  ])("%s is malformed", (_, signatures, message) => {
    expect(decodeEnvelope(envelopeWith(signatures))).toEqual({
      ok: false,
      code: "MALFORMED",
      message: expect.stringContaining(message),
    });
  });

  test("16 signatures of any content are well-formed", () => {
    expect(decodeEnvelope(envelopeWith(Array.from({ length: 16 }, () => good))).ok).toBe(true);
  });

  test("a fourth field is malformed", () => {
    expect(decodeEnvelope(joined(envelopeWith([good]), bytesField(64, "x")))).toMatchObject({
      code: "MALFORMED",
    });
  });

  test("what it returns does not change with the bytes it was read from", () => {
    const bytes = Buffer.from(signManifest(sampleManifest(), [SEED]));
    const before = opened(bytes);
    bytes.fill(0);
    expect(fromBinary(ManifestSchema, before.payload)).toEqual(sampleManifest());
  });
});
