import { create, toBinary } from "@bufbuild/protobuf";
import { Point } from "@noble/ed25519";
import { describe, expect, test } from "vitest";

import { ManifestSchema, SignedManifestSchema } from "../gen/nixota/v1/manifest_pb.ts";
import { AUTH_TYPE } from "./auth-statement.ts";
import { publicKeyOf, signEd25519 } from "./ed25519.ts";
import { openManifest } from "./gate.ts";
import { sha256 } from "./hash.ts";
import { keyId } from "./key-file.ts";
import { preAuthEncoding } from "./pae.ts";
import type { Policy } from "./policy.ts";
import {
  PUBLIC_KEY,
  SEED,
  SIGNED_AT,
  sampleManifest,
  samplePolicy,
  seedOf,
  type ManifestValues,
} from "./sample-manifest.testkit.ts";
import { MANIFEST_TYPE, decodeEnvelope, signManifest, signPayload } from "./signed-manifest.ts";
import { L, littleEndian, smallOrderPoints, toNumber } from "./torsion.testkit.ts";
import { bytesField, joined, numberField } from "./wire.testkit.ts";

// One test for each attack that the gate meets, under the attack's name. The
// attacker holds everything but the pinned private key unless it says so.

function answer(envelope: Uint8Array, policy: Partial<Policy> = {}): string {
  const verdict = openManifest(envelope, samplePolicy(policy));
  return verdict.ok ? "taken" : verdict.code;
}

function signed(changes: ManifestValues = {}, seeds: readonly Uint8Array[] = [SEED]): Uint8Array {
  return signManifest(sampleManifest(changes), seeds);
}

function contentOf(envelope: Uint8Array) {
  const decoded = decodeEnvelope(envelope);
  if (!decoded.ok) throw new Error(decoded.message);
  return decoded.envelope;
}

const payload = toBinary(ManifestSchema, sampleManifest());
const signature = contentOf(signed()).signatures[0]?.signature ?? new Uint8Array();

function envelopeOf(sent: Uint8Array, ...signatures: Uint8Array[]): Uint8Array {
  return toBinary(
    SignedManifestSchema,
    create(SignedManifestSchema, {
      payload: sent,
      payloadType: MANIFEST_TYPE,
      signatures: signatures.map((one) => ({ keyId: keyId(PUBLIC_KEY), signature: one })),
    }),
  );
}

test("the untouched manifest of these attacks is taken", () => {
  expect(answer(signed())).toBe("taken");
});

test("arbitrary software, signed by a key that is not pinned, is refused as BAD_SIGNATURE", () => {
  const strangers = signed({}, [seedOf(66)]);
  const claimingThePinnedKey = contentOf(strangers);
  for (const one of claimingThePinnedKey.signatures) one.keyId = keyId(PUBLIC_KEY);
  expect([answer(strangers), answer(toBinary(SignedManifestSchema, claimingThePinnedKey))]).toEqual(
    ["BAD_SIGNATURE", "BAD_SIGNATURE"],
  );
});

test("replay of an older release is refused as REPLAY", () => {
  const floor = { revision: 43n, payloadSha256: new Uint8Array(32) };
  expect(answer(signed({ revision: 42n }), { floor })).toBe("REPLAY");
});

test("replay from another channel is refused as WRONG_CHANNEL", () => {
  expect(answer(signed({ channel: "testing" }))).toBe("WRONG_CHANNEL");
});

test("replay from another target is refused as WRONG_TARGET", () => {
  expect(answer(signed({ target: "printer" }))).toBe("WRONG_TARGET");
});

test("replay from another fleet is refused as WRONG_FLEET", () => {
  expect(answer(signed({ fleet: "somebody-elses" }))).toBe("WRONG_FLEET");
});

test("a withheld target, the general manifest being served instead, is refused as WRONG_TARGET", () => {
  expect(answer(signed({ target: "" }))).toBe("WRONG_TARGET");
});

test("a freeze on a manifest that has ended is refused as EXPIRED", () => {
  const floor = { revision: 42n, payloadSha256: sha256(payload) };
  expect([
    answer(signed(), { floor }),
    answer(signed(), { floor, trustedTimeS: SIGNED_AT + 1_000_000n }),
  ]).toEqual(["taken", "EXPIRED"]);
});

test("fast-forward to the last number is refused as FAST_FORWARD", () => {
  expect(answer(signed({ revision: 2n ** 53n - 1n }))).toBe("FAST_FORWARD");
});

test("equivocation, another payload under the floor's number, is refused as EQUIVOCATION", () => {
  const floor = { revision: 42n, payloadSha256: sha256(payload) };
  const other = signed({ storePath: sampleManifest().storePath.replace("till", "tull") });
  expect([answer(signed(), { floor }), answer(other, { floor })]).toEqual([
    "taken",
    "EQUIVOCATION",
  ]);
});

test("mix-and-match of one manifest's signature with another's payload is refused as BAD_SIGNATURE", () => {
  const other = toBinary(ManifestSchema, sampleManifest({ revision: 43n }));
  expect([answer(envelopeOf(payload, signature)), answer(envelopeOf(other, signature))]).toEqual([
    "taken",
    "BAD_SIGNATURE",
  ]);
});

test("mix-and-match of a signature made for another payload type is refused", () => {
  const auth = signEd25519(preAuthEncoding(AUTH_TYPE, payload), SEED);
  const openly = { ...contentOf(signed()), payloadType: AUTH_TYPE };
  expect([
    answer(envelopeOf(payload, auth)),
    answer(toBinary(SignedManifestSchema, openly)),
  ]).toEqual(["BAD_SIGNATURE", "UNKNOWN_TYPE"]);
});

describe("endless data", () => {
  test("an envelope over 24 KiB is refused as TOO_LARGE, whatever is in it", () => {
    expect([
      answer(new Uint8Array(24 * 1024 + 1).fill(0xff)),
      answer(new Uint8Array(24 * 1024).fill(0xff)),
    ]).toEqual(["TOO_LARGE", "MALFORMED"]);
  });

  test("a payload over 16 KiB is refused as TOO_LARGE before its signature is looked at", () => {
    expect([
      answer(envelopeOf(new Uint8Array(16 * 1024 + 1), signature)),
      answer(envelopeOf(new Uint8Array(16 * 1024), signature)),
    ]).toEqual(["TOO_LARGE", "BAD_SIGNATURE"]);
  });
});

describe("signing key compromise", () => {
  const pinned = [seedOf(1), seedOf(2), seedOf(3)].map(publicKeyOf);
  const policy = { publicKeys: pinned, threshold: 2 };

  test("with a threshold one stolen key is refused as THRESHOLD", () => {
    expect([
      answer(signed({}, [seedOf(1)]), policy),
      answer(signed({}, [seedOf(1), seedOf(2)]), policy),
    ]).toEqual(["THRESHOLD", "taken"]);
  });

  test("a stolen key that signs many times, under other ids too, is refused as THRESHOLD", () => {
    const stolen = contentOf(signed({}, [seedOf(1)])).signatures[0]?.signature ?? new Uint8Array();
    const signatures = [...pinned, ...pinned].map((key) => ({
      keyId: keyId(key),
      signature: stolen,
    }));
    const content = create(SignedManifestSchema, {
      payload,
      payloadType: MANIFEST_TYPE,
      signatures,
    });
    expect(answer(toBinary(SignedManifestSchema, content), policy)).toBe("THRESHOLD");
  });

  test("a key that is pinned twice counts once, also when its signature is there twice", () => {
    const [one] = pinned as [Uint8Array];
    const twice = { publicKeys: [one, Uint8Array.from(one)], threshold: 2 };
    const content = contentOf(signed({}, [seedOf(1)]));
    content.signatures.push(...content.signatures);
    const repeated = toBinary(SignedManifestSchema, content);
    expect([answer(signed({}, [seedOf(1)]), twice), answer(repeated, twice)]).toEqual([
      "THRESHOLD",
      "THRESHOLD",
    ]);
  });
});

describe("malformed envelopes are refused as MALFORMED", () => {
  const type = bytesField(2, MANIFEST_TYPE);
  const inner = joined(bytesField(1, keyId(PUBLIC_KEY)), bytesField(2, signature));
  const good = joined(bytesField(1, payload), type, bytesField(3, inner));

  test("their own building blocks make an envelope that is taken", () => {
    expect(answer(good)).toBe("taken");
  });

  test.each([
    ["empty", new Uint8Array()],
    ["unsigned", joined(bytesField(1, payload), type)],
    ["truncated", good.subarray(0, -1)],
    ["truncated to a field's end", good.subarray(0, good.length - inner.length - 2)],
    ["duplicate field: payload", joined(bytesField(1, "evil"), good)],
    ["duplicate field: payload behind", joined(good, bytesField(1, payload))],
    ["duplicate field: type", joined(bytesField(1, payload), type, type, bytesField(3, inner))],
    ["unknown field", joined(good, numberField(4, 1))],
    ["unknown field from 64 on", joined(good, numberField(64, 1))],
    ["trailing bytes", joined(good, Uint8Array.of(0))],
    [
      "oversized list of signatures",
      joined(good, ...Array.from({ length: 16 }, () => bytesField(3, inner))),
    ],
    ["fields out of order", joined(type, bytesField(1, payload), bytesField(3, inner))],
  ])("%s", (_, envelope) => {
    expect(answer(envelope)).toBe("MALFORMED");
  });

  test.each([
    ["duplicate field", joined(payload.subarray(0, 2), payload)],
    ["unknown critical field", joined(numberField(1, 1), numberField(17, 1))],
    ["trailing bytes", joined(payload, Uint8Array.of(0))],
    ["truncated", payload.subarray(0, -1)],
  ])("even when signed by the pinned key: payload with %s", (_, sent) => {
    expect(answer(signPayload(sent, [SEED]))).toBe("MALFORMED");
  });
});

describe("small-order and non-canonical keys and signatures are refused as BAD_SIGNATURE", () => {
  test("a forgery under a small-order key that was pinned by mistake", () => {
    const forged = joined(Point.BASE.multiply(5n).toBytes(), littleEndian(5n));
    const answers = smallOrderPoints().map((point) => {
      return answer(envelopeOf(payload, forged), { publicKeys: [point.toBytes()] });
    });
    expect(answers).toEqual(answers.map(() => "BAD_SIGNATURE"));
  });

  test("a signature made malleable by adding the group order", () => {
    const s = littleEndian(toNumber(signature.subarray(32)) + L);
    expect(answer(envelopeOf(payload, joined(signature.subarray(0, 32), s)))).toBe("BAD_SIGNATURE");
  });

  test("a signature of zeros, and one of ones", () => {
    const blank = [0, 0xff].map((byte) =>
      answer(envelopeOf(payload, new Uint8Array(64).fill(byte))),
    );
    expect(blank).toEqual(["BAD_SIGNATURE", "BAD_SIGNATURE"]);
  });
});

describe("a store path that is a flag is refused as BAD_PATH, signed though it be", () => {
  const hash = "0c2hv4rwmf9mjxgnfhwgj5i5ifi6kqfx";

  test.each([
    "--no-check-sigs",
    "",
    "/nix/store",
    `/nix/store/${hash}`,
    `/nix/store/${hash}-`,
    `/nix/store/${hash}-a/bin/sh`,
    `/nix/store/${hash}-a b`,
    `/nix/store/${hash}-a\n`,
    `/nix/store/${hash}-a\0b`,
    `/nix/store/../${hash}-a`,
    `/nix/store/${hash.replace("0", "e")}-a`,
    `/nix/store/${hash.toUpperCase()}-a`,
    `/nix/store/${hash}-${"a".repeat(212)}`,
    ` /nix/store/${hash}-a`,
    `/gnu/store/${hash}-a`,
  ])("%j", (storePath) => {
    expect(answer(signed({ storePath }))).toBe("BAD_PATH");
  });
});

test.each([
  "https://cache.example.org?trusted=1",
  "https://cache.example.org/?trusted=true",
  "--option=x",
  "https://cache.example.org --no-check-sigs",
])("a URL that is a flag or carries trusted= is refused as BAD_SUBSTITUTER: %j", (url) => {
  expect(answer(signed({ substituters: [url] }))).toBe("BAD_SUBSTITUTER");
});

test("a malicious mirror beside the device's own caches is refused as BAD_SUBSTITUTER", () => {
  expect([
    answer(signed({ substituters: ["https://cache.example.org.evil.example"] })),
    answer(signed({ substituters: ["https://cache.example.org@evil.example"] })),
    answer(signed({ substituters: ["http://cache.example.org"] })),
  ]).toEqual(["BAD_SUBSTITUTER", "BAD_SUBSTITUTER", "BAD_SUBSTITUTER"]);
});

test("a clock from the future at the signer is refused as EXPIRED, where the clock is trusted", () => {
  const fromTheFuture = signed({ issuedAtS: SIGNED_AT + 200_000n, notAfterS: 0n });
  expect(answer(fromTheFuture)).toBe("EXPIRED");
});

test("a release that failed on the device is refused as QUARANTINED", () => {
  const quarantine = [{ revision: 42n, payloadSha256: sha256(payload) }];
  expect(answer(signed(), { quarantine })).toBe("QUARANTINED");
});
