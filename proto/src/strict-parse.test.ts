import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  ManifestSchema,
  SignatureSchema,
  SignedManifestSchema,
} from "../gen/nixota/v1/manifest_pb.ts";
import { SEED, sampleManifest } from "./sample-manifest.testkit.ts";
import { signManifest } from "./signed-manifest.ts";
import { strictParse } from "./strict-parse.ts";
import { bytesField, joined, numberField, rawField } from "./wire.testkit.ts";

const ADVISORY = { toleratedFrom: 64 } as const;
const manifest = toBinary(ManifestSchema, sampleManifest());

function verdictOf(bytes: Uint8Array): string {
  const parsed = strictParse(ManifestSchema, bytes, ADVISORY);
  return parsed.ok ? "taken" : parsed.why;
}

const NOT_STRICT = "the bytes are not the one strict encoding of nixota.v1.Manifest";
const NOT_PARSED = "the bytes are no nixota.v1.Manifest";

describe("what the library writes is taken", () => {
  test("a manifest", () => {
    expect(strictParse(ManifestSchema, manifest, ADVISORY)).toEqual({
      ok: true,
      message: sampleManifest(),
    });
  });

  test("an envelope", () => {
    const envelope = signManifest(sampleManifest(), [SEED]);
    const parsed = strictParse(SignedManifestSchema, envelope, "none");
    expect(parsed.ok && parsed.message).toEqual(fromBinary(SignedManifestSchema, envelope));
  });

  test("the empty message", () => {
    expect(verdictOf(new Uint8Array())).toBe("taken");
  });
});

// The sample's first bytes are schema (08 01) and fleet (12 06 …).
test.each([
  ["a field twice", joined(manifest.subarray(0, 2), manifest), NOT_STRICT],
  ["fields in another order", joined(manifest.subarray(2), manifest.subarray(0, 2)), NOT_STRICT],
  [
    "a varint longer than need be",
    joined(Uint8Array.of(8, 0x81, 0), manifest.subarray(2)),
    NOT_STRICT,
  ],
  [
    "a tag longer than need be",
    joined(Uint8Array.of(0x88, 0, 1), manifest.subarray(2)),
    NOT_STRICT,
  ],
  [
    "a number beyond 32 bits",
    joined(Uint8Array.of(8, 0x81, 0x80, 0x80, 0x80, 0x10), manifest.subarray(2)),
    NOT_STRICT,
  ],
  ["a default written out", numberField(1, 0), NOT_STRICT],
  ["an empty string written out", bytesField(2, ""), NOT_STRICT],
  ["a boolean of 2", numberField(15, 2), NOT_STRICT],
  ["a wrong wire type", rawField(1, 5, Uint8Array.of(1, 0, 0, 0)), NOT_PARSED],
  ["a string as a varint", numberField(3, 0), NOT_STRICT],
  ["invalid UTF-8", bytesField(3, Uint8Array.of(0xff)), NOT_PARSED],
  ["an overlong UTF-8 form", bytesField(3, Uint8Array.of(0xc1, 0xa1)), NOT_PARSED],
  ["a UTF-8 surrogate", bytesField(3, Uint8Array.of(0xed, 0xa0, 0x80)), NOT_PARSED],
  ["a zero byte at the end", joined(manifest, Uint8Array.of(0)), NOT_PARSED],
  ["a cut end", manifest.subarray(0, -1), NOT_PARSED],
  ["a length beyond the end", Uint8Array.of(0x12, 200, 1), NOT_PARSED],
  ["an endless varint", new Uint8Array(64).fill(0xff), NOT_PARSED],
  ["a stray end of a group", joined(manifest, Uint8Array.of(0x0c)), NOT_PARSED],
  [
    "an unknown critical field",
    joined(numberField(1, 1), numberField(17, 1)),
    "field 17 of nixota.v1.Manifest is unknown to this verifier; a later version may know it",
  ],
  [
    "the last critical number",
    numberField(63, 1),
    "field 63 of nixota.v1.Manifest is unknown to this verifier; a later version may know it",
  ],
  [
    "a critical field behind an advisory one",
    joined(numberField(66, 1), numberField(17, 1)),
    "field 17 of nixota.v1.Manifest is unknown to this verifier; a later version may know it",
  ],
  [
    "an unknown advisory varint longer than need be",
    rawField(66, 0, Uint8Array.of(0x81, 0)),
    "field 66 of nixota.v1.Manifest is not strictly encoded",
  ],
  [
    "an unknown advisory varint beyond 64 bits",
    rawField(66, 0, Uint8Array.of(...Array.from({ length: 9 }, () => 0x80), 2)),
    "field 66 of nixota.v1.Manifest is not strictly encoded",
  ],
  [
    "an unknown advisory length longer than need be",
    rawField(66, 2, Uint8Array.of(0x81, 0, 7)),
    "field 66 of nixota.v1.Manifest is not strictly encoded",
  ],
  [
    "an unknown advisory group",
    joined(Uint8Array.of(0x93, 4), Uint8Array.of(0x94, 4)),
    "field 66 of nixota.v1.Manifest is not strictly encoded",
  ],
  [
    "unknown advisory fields in another order",
    joined(numberField(67, 1), numberField(66, 1)),
    "field 66 of nixota.v1.Manifest is not strictly encoded",
  ],
  [
    "an unknown advisory field before a known one",
    joined(numberField(66, 1), bytesField(64, "x")),
    NOT_STRICT,
  ],
])("%s is refused", (_, bytes, why) => {
  expect(verdictOf(bytes)).toBe(why);
});

test("unknown advisory fields are taken in ascending order, also repeated", () => {
  const bytes = joined(
    manifest,
    numberField(66, 300),
    bytesField(67, "x".repeat(200)),
    bytesField(67, ""),
    rawField(68, 1, new Uint8Array(8)),
    rawField(69, 5, new Uint8Array(4)),
    rawField(70, 0, Uint8Array.of(...Array.from({ length: 9 }, () => 0xff), 1)),
  );
  expect(verdictOf(bytes)).toBe("taken");
});

describe("inside a signature of an envelope", () => {
  const key = new Uint8Array(16);
  const signature = new Uint8Array(64).fill(1);

  function verdictOfSignature(inner: Uint8Array): string {
    const bytes = joined(bytesField(1, "p"), bytesField(2, "t"), bytesField(3, inner));
    const parsed = strictParse(SignedManifestSchema, bytes, "none");
    return parsed.ok ? "taken" : parsed.why;
  }

  test("the strict form is taken", () => {
    expect(verdictOfSignature(joined(bytesField(1, key), bytesField(2, signature)))).toBe("taken");
  });

  test("a nested duplicate is refused", () => {
    const twice = joined(bytesField(1, key), bytesField(2, key), bytesField(2, signature));
    expect(verdictOfSignature(twice)).toBe(
      "the bytes are not the one strict encoding of nixota.v1.SignedManifest",
    );
  });

  test("an unknown field is refused, also one from 64 on", () => {
    const more = joined(bytesField(1, key), bytesField(2, signature), numberField(64, 1));
    expect(verdictOfSignature(more)).toBe(
      "field 64 of nixota.v1.Signature is unknown to this verifier; a later version may know it",
    );
  });
});

test("no two byte strings are taken for the same message", () => {
  const noise = fc.array(
    fc.oneof(
      fc.tuple(fc.integer({ min: 1, max: 20 }), fc.nat(300)).map(([no, n]) => numberField(no, n)),
      fc
        .tuple(fc.integer({ min: 1, max: 20 }), fc.uint8Array({ maxLength: 4 }))
        .map(([no, data]) => bytesField(no, data)),
      fc.uint8Array({ maxLength: 3 }),
    ),
    { maxLength: 4 },
  );
  fc.assert(
    fc.property(noise, (parts) => {
      const bytes = joined(...parts);
      const parsed = strictParse(SignatureSchema, bytes, "none");
      const again = parsed.ok ? toBinary(SignatureSchema, parsed.message) : bytes;
      expect(again).toEqual(bytes);
    }),
    { numRuns: 500 },
  );
});

test("a made-up message is taken whatever its values", () => {
  const values = fc.record({
    keyId: fc.uint8Array({ maxLength: 300 }),
    signature: fc.uint8Array({ maxLength: 300 }),
  });
  fc.assert(
    fc.property(values, (init) => {
      const message = create(SignatureSchema, init);
      const parsed = strictParse(SignatureSchema, toBinary(SignatureSchema, message), "none");
      expect(parsed).toEqual({ ok: true, message });
    }),
  );
});
