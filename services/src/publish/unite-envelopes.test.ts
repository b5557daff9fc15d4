import { create } from "@bufbuild/protobuf";
import { signManifest } from "@nix-ota/proto";
import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { ManifestSchema } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { decodeEnvelope } from "@nix-ota/proto/signed-manifest";
import { expect, test } from "vitest";

import { uniteEnvelopes } from "./unite-envelopes.ts";

const seeds = Array.from({ length: 20 }, (_, index) => new Uint8Array(32).fill(index + 1));
const keys = seeds.map(publicKeyOf);
const MANIFEST = create(ManifestSchema, { schema: 1, channel: "prod", revision: 1n });
const signedBy = (...numbers: number[]) =>
  signManifest(
    MANIFEST,
    numbers.map((number) => seeds[number]!),
  );
const count = (envelope: Uint8Array) => {
  const decoded = decodeEnvelope(envelope);
  return decoded.ok ? decoded.envelope.signatures.length : 0;
};

test("a repeat without a signature that is not there leaves the very bytes", () => {
  const stored = signedBy(0, 1, 5);
  expect(uniteEnvelopes(stored, signedBy(1), keys.slice(0, 2))).toBe(stored);
});

test("signatures of the channel's keys are added, those of strangers are not", () => {
  expect(uniteEnvelopes(signedBy(0), signedBy(1, 9), keys.slice(0, 2))).toEqual(signedBy(0, 1));
});

test("a stranger's signature that came with the first publish stays", () => {
  expect(uniteEnvelopes(signedBy(0, 9), signedBy(1), keys.slice(0, 2))).toEqual(signedBy(0, 1, 9));
});

test("strangers make room for the channel's keys when the envelope is full", () => {
  const full = signedBy(...Array.from({ length: 16 }, (_, index) => index));
  const united = uniteEnvelopes(full, signedBy(17), [keys[0]!, keys[17]!]);
  expect(united).toEqual(signedBy(0, 17));
  expect(count(full)).toBe(16);
});
