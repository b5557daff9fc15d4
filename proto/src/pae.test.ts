import * as fc from "fast-check";
import { expect, test } from "vitest";

import { publicKeyOf, signEd25519 } from "./ed25519.ts";
import { fromHex, toHex } from "./hash.ts";
import { keyId } from "./key-file.ts";
import { preAuthEncoding } from "./pae.ts";
import { MANIFEST_TYPE } from "./signed-manifest.ts";

test("the encoding is that of the DSSE specification's example", () => {
  const payload = new TextEncoder().encode("hello world");
  const encoded = preAuthEncoding("http://example.com/HelloWorld", payload);
  expect(new TextDecoder().decode(encoded)).toBe(
    "DSSEv1 29 http://example.com/HelloWorld 11 hello world",
  );
});

test("encoding, signature and key id of a known payload stay what they are", () => {
  const seed = new Uint8Array(32).fill(7);
  const encoded = preAuthEncoding(MANIFEST_TYPE, fromHex("0801120470726f64") ?? new Uint8Array());
  expect({
    encoded: toHex(encoded),
    publicKey: toHex(publicKeyOf(seed)),
    signature: toHex(signEd25519(encoded, seed)),
    keyId: toHex(keyId(publicKeyOf(seed))),
  }).toEqual({
    encoded:
      "445353457631203434206170706c69636174696f6e2f766e642e6e69782d6f74612e6d616e69666573742e76312b70726f746f6275662038200801120470726f64",
    publicKey: "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c",
    signature:
      "b6b17707b1671669206943fc6a95463988aff9669fc611f3193619d27c8f35e3adbcff66d61642f788f85e0d845e05e9f9876945eac8ad73c5ea154b2770bc0e",
    keyId: "fe812c12f3ab4ce6ac5db69ac352f906",
  });
});

test("lengths count bytes and not characters", () => {
  const encoded = preAuthEncoding("ü", new Uint8Array(3));
  expect(new TextDecoder().decode(encoded)).toBe("DSSEv1 2 ü 3 \0\0\0");
});

test("different pairs of type and payload never share an encoding", () => {
  const pair = fc.tuple(fc.string({ maxLength: 8 }), fc.uint8Array({ maxLength: 8 }));
  fc.assert(
    fc.property(pair, pair, ([typeA, payloadA], [typeB, payloadB]) => {
      const same = typeA === typeB && toHex(payloadA) === toHex(payloadB);
      const encodings = [preAuthEncoding(typeA, payloadA), preAuthEncoding(typeB, payloadB)];
      expect(toHex(encodings[0] as Uint8Array) === toHex(encodings[1] as Uint8Array)).toBe(same);
    }),
  );
});
