import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";

import { ManifestSchema, SignedManifestSchema } from "../gen/nixota/v1/manifest_pb.ts";
import { publicKeyOf } from "./ed25519.ts";
import { judgePayload, openManifest, type Verdict } from "./gate.ts";
import { sha256 } from "./hash.ts";
import { keyId } from "./key-file.ts";
import { UNCHECKED, type Policy } from "./policy.ts";
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
import { joined, numberField } from "./wire.testkit.ts";

function verdict(changes: ManifestValues, policy: Partial<Policy> = {}): Verdict {
  return openManifest(signManifest(sampleManifest(changes), [SEED]), samplePolicy(policy));
}

/** `taken`, or the code of the check that refused. */
function codeOf(changes: ManifestValues, policy: Partial<Policy> = {}): string {
  const answer = verdict(changes, policy);
  return answer.ok ? "taken" : answer.code;
}

function payloadOf(changes: ManifestValues = {}): Uint8Array {
  return toBinary(ManifestSchema, sampleManifest(changes));
}

function digest(changes: ManifestValues): Uint8Array {
  return sha256(payloadOf(changes));
}

const nothingCompared: Policy = {
  publicKeys: [PUBLIC_KEY],
  threshold: 1,
  agentLevel: UNCHECKED,
  fleet: UNCHECKED,
  channel: UNCHECKED,
  target: UNCHECKED,
  system: UNCHECKED,
  substituters: UNCHECKED,
  trustedTimeS: UNCHECKED,
  floor: UNCHECKED,
  quarantine: UNCHECKED,
};

describe("what is taken", () => {
  test("the verdict holds the manifest, the signed bytes, their sha256 and who signed", () => {
    const payload = payloadOf();
    expect(verdict({})).toEqual({
      ok: true,
      manifest: sampleManifest(),
      payload,
      payloadSha256: sha256(payload),
      signedBy: [PUBLIC_KEY],
      resumed: false,
    });
  });

  test("with nothing compared the signature and the form still are", () => {
    const envelope = signManifest(sampleManifest(), [SEED]);
    const unpinned = { ...nothingCompared, publicKeys: [publicKeyOf(seedOf(8))] };
    expect([
      openManifest(envelope, nothingCompared).ok,
      openManifest(envelope, unpinned),
      openManifest(signManifest(sampleManifest({ revision: 0n }), [SEED]), nothingCompared),
      openManifest(signManifest(sampleManifest({ storePath: "-x" }), [SEED]), nothingCompared),
      openManifest(
        signManifest(sampleManifest({ substituters: ["https://a.b?trusted=1"] }), [SEED]),
        nothingCompared,
      ),
    ]).toMatchObject([
      true,
      { code: "BAD_SIGNATURE" },
      { code: "MALFORMED" },
      { code: "BAD_PATH" },
      { code: "BAD_SUBSTITUTER" },
    ]);
  });

  test("a payload alone is judged by all that it claims, and by nothing of who signed", () => {
    const judge = (changes: ManifestValues) => judgePayload(payloadOf(changes), samplePolicy());
    expect(judge({})).toEqual({
      ok: true,
      manifest: sampleManifest(),
      payloadSha256: digest({}),
    });
    expect([
      judge({ target: "oven" }),
      judge({ revision: 40n }),
      judgePayload(new Uint8Array([255]), samplePolicy()),
    ]).toMatchObject([{ code: "WRONG_TARGET" }, { code: "REPLAY" }, { code: "MALFORMED" }]);
  });

  test("the least a manifest can say is enough", () => {
    const least = create(ManifestSchema, {
      schema: 1,
      channel: "c",
      revision: 1n,
      system: "x86_64-linux",
      storePath: sampleManifest().storePath,
      issuedAtS: 1n,
    });
    expect(openManifest(signManifest(least, [SEED]), nothingCompared).ok).toBe(true);
  });
});

describe("signatures", () => {
  const seeds = [seedOf(1), seedOf(2), seedOf(3)];
  const keys = seeds.map(publicKeyOf);
  const [first, second, third] = keys as [Uint8Array, Uint8Array, Uint8Array];

  test.each([
    [1, [0], "taken"],
    [2, [0], "THRESHOLD"],
    [2, [0, 2], "taken"],
    [3, [0, 2], "THRESHOLD"],
    [3, [0, 1, 2], "taken"],
    [4, [0, 1, 2], "THRESHOLD"],
    [0, [], "BAD_SIGNATURE"],
    [-1, [], "BAD_SIGNATURE"],
    [Number.NaN, [0], "THRESHOLD"],
  ])("with a threshold of %d, keys %j having signed: %s", (threshold, places, expected) => {
    const signing = places.map((place) => seeds[place] as Uint8Array);
    const envelope = signManifest(sampleManifest(), signing.length === 0 ? [SEED] : signing);
    const answer = openManifest(envelope, samplePolicy({ publicKeys: keys, threshold }));
    expect(answer.ok ? "taken" : answer.code).toBe(expected);
  });

  test("who signed is told in the order of the pins, each key once", () => {
    const envelope = signManifest(sampleManifest(), seeds);
    const answer = openManifest(envelope, samplePolicy({ publicKeys: [third, first, third] }));
    expect(answer).toMatchObject({ ok: true, signedBy: [third, first] });
  });

  test("no key being pinned, nothing is taken", () => {
    expect(codeOf({}, { publicKeys: [] })).toBe("BAD_SIGNATURE");
    expect(codeOf({}, { publicKeys: [], threshold: 0 })).toBe("BAD_SIGNATURE");
  });

  test("a key id is only a hint: a wrong one hides no good signature", () => {
    const decoded = decodeEnvelope(signManifest(sampleManifest(), seeds));
    if (!decoded.ok) throw new Error(decoded.message);
    for (const one of decoded.envelope.signatures) one.keyId = keyId(second);
    const envelope = toBinary(SignedManifestSchema, decoded.envelope);
    expect(openManifest(envelope, samplePolicy({ publicKeys: keys, threshold: 3 })).ok).toBe(true);
  });

  test("with more pins than can be tried, the signatures left over count for nothing", () => {
    const many = Array.from({ length: 200 }, (_, index) => {
      return Uint8Array.of(...new Uint8Array(30), index, 1);
    });
    const stranger = { keyId: new Uint8Array(16), signature: new Uint8Array(64) };
    const decoded = decodeEnvelope(signManifest(sampleManifest(), [SEED]));
    if (!decoded.ok) throw new Error(decoded.message);
    const { envelope } = decoded;
    const policy = samplePolicy({ publicKeys: [...many, PUBLIC_KEY] });
    const answers = [0, 1, 2].map((strangers) => {
      const signatures = [
        ...Array.from({ length: strangers }, () => stranger),
        ...envelope.signatures,
      ];
      const sent = { payload: envelope.payload, payloadType: MANIFEST_TYPE, signatures };
      return openManifest(
        toBinary(SignedManifestSchema, create(SignedManifestSchema, sent)),
        policy,
      ).ok;
    });
    // The hint finds the key among 201; after 256 tries in vain nothing is tried.
    expect(answers).toEqual([true, true, false]);
  });
});

describe("each claim has its check", () => {
  const url = (tail: string) => `https://cache.example.org/${tail}`;

  test.each<[string, ManifestValues, Partial<Policy>, string]>([
    ["schema 0", { schema: 0 }, {}, "UNSUPPORTED"],
    ["schema 2", { schema: 2 }, {}, "UNSUPPORTED"],
    ["the agent's own level", { minAgentLevel: 3 }, { agentLevel: 3 }, "taken"],
    ["a level above the agent's", { minAgentLevel: 4 }, { agentLevel: 3 }, "UNSUPPORTED"],
    ["revision 0", { revision: 0n }, {}, "MALFORMED"],
    ["revision 1", { revision: 1n }, { floor: UNCHECKED }, "taken"],
    ["revision 2^53-1", { revision: 2n ** 53n - 1n }, { floor: UNCHECKED }, "taken"],
    ["revision 2^53", { revision: 2n ** 53n }, { floor: UNCHECKED }, "MALFORMED"],
    ["an empty channel", { channel: "" }, { channel: UNCHECKED }, "MALFORMED"],
    ["a channel in capitals", { channel: "Prod" }, { channel: UNCHECKED }, "MALFORMED"],
    ["a fleet with a blank", { fleet: "a b" }, { fleet: UNCHECKED }, "MALFORMED"],
    ["a target that is a flag", { target: "-x" }, { target: UNCHECKED }, "MALFORMED"],
    ["a next channel", { nextChannel: "beta" }, {}, "taken"],
    ["a next channel that is a path", { nextChannel: "../x" }, {}, "MALFORMED"],
    ["a system in one word", { system: "linux" }, { system: UNCHECKED }, "MALFORMED"],
    ["a system with capitals", { system: "X86-linux" }, { system: UNCHECKED }, "MALFORMED"],
    ["a closure of 2^53-1 bytes", { closureBytes: 2n ** 53n - 1n }, {}, "taken"],
    ["a closure of 2^53 bytes", { closureBytes: 2n ** 53n }, {}, "MALFORMED"],
    ["no closure digest", { closureDigest: new Uint8Array() }, {}, "taken"],
    ["a closure digest of 31 bytes", { closureDigest: new Uint8Array(31) }, {}, "MALFORMED"],
    ["a closure digest of 33 bytes", { closureDigest: new Uint8Array(33) }, {}, "MALFORMED"],
    ["a signing time of 0", { issuedAtS: 0n }, {}, "MALFORMED"],
    ["a negative signing time", { issuedAtS: -1n }, {}, "MALFORMED"],
    [
      "a signing time of 2^53",
      { issuedAtS: 2n ** 53n, notAfterS: 0n },
      { trustedTimeS: UNCHECKED },
      "MALFORMED",
    ],
    ["an end at the signing time", { notAfterS: SIGNED_AT }, {}, "MALFORMED"],
    ["an end just after the signing time", { notAfterS: SIGNED_AT + 1n }, {}, "taken"],
    ["an end at 2^53", { notAfterS: 2n ** 53n }, {}, "MALFORMED"],
    ["no end", { notAfterS: 0n }, {}, "taken"],
    ["another fleet", { fleet: "screens" }, {}, "WRONG_FLEET"],
    ["no fleet where the device has one", { fleet: "" }, {}, "WRONG_FLEET"],
    ["a fleet where the device has none", {}, { fleet: "" }, "taken"],
    ["another channel", { channel: "beta" }, {}, "WRONG_CHANNEL"],
    ["another system", { system: "aarch64-linux" }, {}, "WRONG_SYSTEM"],
    ["another target", { target: "printer" }, {}, "WRONG_TARGET"],
    ["no target where the device has one", { target: "" }, {}, "WRONG_TARGET"],
    ["a target where the device has none", {}, { target: "" }, "WRONG_TARGET"],
    ["no target where the device has none", { target: "" }, { target: "" }, "taken"],
    ["no substituter", { substituters: [] }, {}, "taken"],
    [
      "8 substituters",
      { substituters: [1, 2, 3, 4, 5, 6, 7, 8].map((n) => url(`${n}`)) },
      {},
      "taken",
    ],
    [
      "9 substituters",
      { substituters: [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => url(`${n}`)) },
      {},
      "BAD_SUBSTITUTER",
    ],
    [
      "one bad substituter of two",
      { substituters: [url("a"), "https://other.example.org"] },
      {},
      "BAD_SUBSTITUTER",
    ],
    [
      "http where any form is taken",
      { substituters: ["http://a"] },
      { substituters: UNCHECKED },
      "taken",
    ],
    ["five minutes past its end", {}, { trustedTimeS: SIGNED_AT + 1_300n }, "taken"],
    ["a second more past its end", {}, { trustedTimeS: SIGNED_AT + 1_301n }, "EXPIRED"],
    ["long past, no clock being trusted", {}, { trustedTimeS: UNCHECKED }, "taken"],
    ["long past, having no end", { notAfterS: 0n }, { trustedTimeS: SIGNED_AT * 2n }, "taken"],
    ["signed a day ahead of the clock", {}, { trustedTimeS: SIGNED_AT - 86_400n }, "taken"],
    ["signed a day and a second ahead", {}, { trustedTimeS: SIGNED_AT - 86_401n }, "EXPIRED"],
    [
      "one above the floor",
      {},
      { floor: { revision: 41n, payloadSha256: new Uint8Array(32) } },
      "taken",
    ],
    ["the floor itself", {}, { floor: { revision: 42n, payloadSha256: digest({}) } }, "taken"],
    [
      "the floor's number with another payload",
      {},
      { floor: { revision: 42n, payloadSha256: digest({ message: "other" }) } },
      "EQUIVOCATION",
    ],
    [
      "the floor's number, its digest being lost",
      {},
      { floor: { revision: 42n, payloadSha256: new Uint8Array() } },
      "EQUIVOCATION",
    ],
    ["one below the floor", {}, { floor: { revision: 43n, payloadSha256: digest({}) } }, "REPLAY"],
    ["a million above the floor", { revision: 1_000_041n }, {}, "taken"],
    ["a million and one above the floor", { revision: 1_000_042n }, {}, "FAST_FORWARD"],
    [
      "anything above no floor",
      { revision: 2n ** 53n - 1n },
      { floor: { revision: 0n, payloadSha256: new Uint8Array() } },
      "taken",
    ],
    [
      "one in quarantine",
      {},
      { quarantine: [{ revision: 42n, payloadSha256: digest({}) }] },
      "QUARANTINED",
    ],
    [
      "one beside others in quarantine",
      {},
      {
        quarantine: [
          { revision: 41n, payloadSha256: digest({}) },
          { revision: 42n, payloadSha256: new Uint8Array(32) },
        ],
      },
      "taken",
    ],
  ])("%s", (_, changes, policy, expected) => {
    expect(codeOf(changes, policy)).toBe(expected);
  });

  test("the floor's own manifest is told from a later one", () => {
    const floor = { revision: 42n, payloadSha256: digest({}) };
    expect([verdict({}, { floor }), verdict({}), verdict({}, { floor: UNCHECKED })]).toMatchObject([
      { resumed: true },
      { resumed: false },
      { resumed: false },
    ]);
  });
});

describe("the order of the checks", () => {
  /** A manifest and a policy that fail every check, and what mends each, in order. */
  const allWrong: ManifestValues = {
    schema: 2,
    minAgentLevel: 9,
    revision: 42n,
    closureDigest: new Uint8Array(1),
    fleet: "f",
    channel: "c",
    system: "s-s",
    target: "t",
    storePath: "p",
    substituters: ["u"],
    notAfterS: SIGNED_AT + 1n,
  };
  const late: Partial<Policy> = {
    trustedTimeS: SIGNED_AT + 10_000n,
    floor: { revision: 43n, payloadSha256: new Uint8Array(32) },
  };
  const sample = sampleManifest();
  const steps: readonly [string, ManifestValues, Partial<Policy>][] = [
    ["UNSUPPORTED", { schema: 1 }, {}],
    ["UNSUPPORTED", { minAgentLevel: 1 }, {}],
    ["MALFORMED", { closureDigest: new Uint8Array(32) }, {}],
    ["WRONG_FLEET", { fleet: sample.fleet }, {}],
    ["WRONG_CHANNEL", { channel: sample.channel }, {}],
    ["WRONG_SYSTEM", { system: sample.system }, {}],
    ["WRONG_TARGET", { target: sample.target }, {}],
    ["BAD_PATH", { storePath: sample.storePath }, {}],
    ["BAD_SUBSTITUTER", { substituters: sample.substituters }, {}],
    ["EXPIRED", { notAfterS: 0n }, {}],
    ["REPLAY", {}, { floor: { revision: 42n, payloadSha256: new Uint8Array(32) } }],
    ["EQUIVOCATION", { revision: 2_000_000n }, {}],
    ["FAST_FORWARD", {}, { floor: { revision: 1_999_999n, payloadSha256: new Uint8Array(32) } }],
  ];

  test("what fails several checks is refused by the first of them", () => {
    const manifest: ManifestValues = { ...allWrong };
    const policy = { ...late };
    const codes = [codeOf(manifest, policy)];
    for (const [, mend, ease] of steps) {
      Object.assign(manifest, mend);
      Object.assign(policy, ease);
      const quarantined = { revision: manifest.revision ?? 0n, payloadSha256: digest(manifest) };
      codes.push(codeOf(manifest, { ...policy, quarantine: [quarantined] }));
    }
    expect(codes).toEqual([...steps.map(([code]) => code), "QUARANTINED"]);
  });

  test("a payload is not parsed before it is authentic", () => {
    const garbage = new TextEncoder().encode("no manifest");
    const [pinned, other] = [SEED, seedOf(8)].map((seed) =>
      openManifest(signPayload(garbage, [seed]), samplePolicy()),
    );
    expect([pinned, other]).toMatchObject([{ code: "MALFORMED" }, { code: "BAD_SIGNATURE" }]);
  });

  test("an unknown critical field is malformed also under a later schema", () => {
    const payload = joined(
      toBinary(ManifestSchema, create(ManifestSchema, { schema: 2 })),
      numberField(17, 1),
    );
    expect(openManifest(signPayload(payload, [SEED]), samplePolicy())).toMatchObject({
      code: "MALFORMED",
      message: expect.stringContaining("field 17"),
    });
  });

  test("an unknown advisory field changes nothing and stays in the signed bytes", () => {
    const payload = joined(payloadOf(), numberField(66, 7));
    expect(openManifest(signPayload(payload, [SEED]), samplePolicy())).toMatchObject({
      ok: true,
      payload,
    });
  });

  test("a payload of another type is not verified", () => {
    const decoded = decodeEnvelope(signManifest(sampleManifest(), [seedOf(8)]));
    if (!decoded.ok) throw new Error(decoded.message);
    const sent = { ...decoded.envelope, payloadType: "text/plain" };
    expect(openManifest(toBinary(SignedManifestSchema, sent), samplePolicy())).toEqual({
      ok: false,
      code: "UNKNOWN_TYPE",
      message: `payload type "text/plain" is not ${MANIFEST_TYPE}`,
    });
  });
});

describe("messages", () => {
  test.each<[string, ManifestValues, Partial<Policy>, string]>([
    ["another channel", { channel: "beta" }, {}, 'the manifest is for channel "beta", not "prod"'],
    [
      "another schema",
      { schema: 2 },
      {},
      "manifest schema 2 is not 1, the one that this verifier reads",
    ],
    ["an old revision", { revision: 7n }, {}, "revision 7 is below 41, which was verified already"],
    [
      "a flag for a path",
      { storePath: "--no-check-sigs" },
      {},
      '"--no-check-sigs" is no store path',
    ],
    [
      "too few signers",
      {},
      { threshold: 2 },
      "1 of the pinned keys signed the manifest, 2 have to",
    ],
  ])("%s is told with the values that differ", (_, changes, policy, message) => {
    expect(verdict(changes, policy)).toMatchObject({ message });
  });

  test("what a manifest says cannot colour or reorder the line it is told in", () => {
    const answer = verdict({ storePath: "\u001b[31m\u202e\n/nix/store" });
    expect(answer).toMatchObject({ message: '"\\u001b[31m\\u202e\\n/nix/store" is no store path' });
  });

  test("what a manifest says is cut to a bounded length", () => {
    const answer = verdict({ storePath: "x".repeat(10_000) });
    expect(answer.ok ? 0 : answer.message.length).toBeLessThan(200);
  });
});
