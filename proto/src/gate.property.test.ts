import { create, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { expect, test } from "vitest";

import {
  ManifestSchema,
  SignedManifestSchema,
  type Manifest,
} from "../gen/nixota/v1/manifest_pb.ts";
import { publicKeyOf } from "./ed25519.ts";
import { openManifest } from "./gate.ts";
import { sha256, toHex } from "./hash.ts";
import { UNCHECKED, type ManifestRef, type Policy } from "./policy.ts";
import {
  PUBLIC_KEY,
  SEED,
  sampleManifest,
  samplePolicy,
  seedOf,
  type ManifestValues,
} from "./sample-manifest.testkit.ts";
import { decodeEnvelope, signManifest } from "./signed-manifest.ts";

const keys = [1, 2, 3].map((byte) => publicKeyOf(seedOf(byte)));

function keyAt(place: number): Uint8Array {
  return keys[place] ?? new Uint8Array();
}

/** Small worlds, so that equal and unequal values both come up often. */
const someRevision = fc.oneof(fc.bigInt(0n, 3n), fc.constantFrom(2n ** 53n - 1n, 2n ** 53n));
const someName = fc.constantFrom("a", "b");
const nameOrNone = fc.constantFrom("", "a", "b");
const someSystem = fc.constantFrom("x86_64-linux", "aarch64-linux");
const someUrl = fc.constantFrom(
  "https://cache.example.org",
  "https://cache.example.org/x",
  "https://other.example.org",
  "http://cache.example.org",
  "https://cache.example.org?trusted=1",
);
const someDigest = fc.constantFrom(0, 31, 32).map((length) => new Uint8Array(length));

const someValues: fc.Arbitrary<ManifestValues> = fc.record({
  schema: fc.constantFrom(1, 1, 1, 1, 2),
  fleet: nameOrNone,
  channel: someName,
  target: nameOrNone,
  revision: someRevision,
  system: someSystem,
  storePath: fc.constantFrom(sampleManifest().storePath, sampleManifest().storePath, "-flag"),
  substituters: fc.array(someUrl, { maxLength: 2 }),
  closureDigest: someDigest,
  issuedAtS: fc.bigInt(0n, 1_000n),
  notAfterS: fc.oneof(fc.constant(0n), fc.bigInt(0n, 2_000n)),
  minAgentLevel: fc.nat(2),
});

function orUnchecked<T>(some: fc.Arbitrary<T>): fc.Arbitrary<T | typeof UNCHECKED> {
  return fc.oneof({ weight: 2, arbitrary: some }, { weight: 1, arbitrary: fc.constant(UNCHECKED) });
}

/** Where the floor is, seen from the manifest, and whether it is the manifest. */
interface Past {
  readonly floor: "unchecked" | "none" | { readonly below: bigint };
  readonly floorIsThis: boolean;
  readonly quarantined: boolean;
}

const somePast: fc.Arbitrary<Past> = fc.record({
  floor: fc.oneof(
    fc.constantFrom("unchecked" as const, "none" as const),
    fc.record({ below: fc.constantFrom(-2n, -1n, 0n, 1n, 2n, 1_000_000n, 1_000_001n) }),
  ),
  floorIsThis: fc.boolean(),
  quarantined: fc.boolean(),
});

function floorRevisionOf({ floor }: Past, revision: bigint): bigint | typeof UNCHECKED {
  if (floor === "unchecked") return UNCHECKED;
  if (floor === "none" || floor.below > revision) return 0n;
  return revision - floor.below;
}

const somePolicy: fc.Arbitrary<Partial<Policy>> = fc.record({
  agentLevel: orUnchecked(fc.nat(2)),
  fleet: orUnchecked(nameOrNone),
  channel: orUnchecked(someName),
  target: orUnchecked(nameOrNone),
  system: orUnchecked(someSystem),
  substituters: orUnchecked(
    fc.constantFrom(
      { allowHttp: false, allowFile: false, allowed: "any" as const },
      { allowHttp: true, allowFile: false, allowed: ["https://cache.example.org"] },
    ),
  ),
  trustedTimeS: orUnchecked(fc.bigInt(0n, 100_000n)),
});

/** The codes of all rules that are broken, in order: the gate said once more, otherwise. */
function brokenRules(m: Manifest, policy: Policy, signers: number, past: Past): string[] {
  const differs = (asked: string | typeof UNCHECKED, has: string) =>
    asked !== UNCHECKED && asked !== has;
  const urlIsFine = (url: string) => {
    const rules = policy.substituters;
    if (url.includes("?")) return false;
    if (rules === UNCHECKED) return true;
    if (url.startsWith("http:") && !rules.allowHttp) return false;
    return rules.allowed === "any" || /^https:\/\/cache\.example\.org(\/|$)/.test(url);
  };
  const now = policy.trustedTimeS;
  const floor = floorRevisionOf(past, m.revision);
  const rules: [string, boolean][] = [
    ["BAD_SIGNATURE", signers === 0],
    ["THRESHOLD", signers < policy.threshold],
    [
      "UNSUPPORTED",
      m.schema !== 1 || (policy.agentLevel !== UNCHECKED && m.minAgentLevel > policy.agentLevel),
    ],
    [
      "MALFORMED",
      m.revision === 0n ||
        m.revision > 9_007_199_254_740_991n ||
        m.closureDigest.length === 31 ||
        m.issuedAtS === 0n ||
        (m.notAfterS > 0n && m.notAfterS <= m.issuedAtS),
    ],
    ["WRONG_FLEET", policy.fleet !== "" && differs(policy.fleet, m.fleet)],
    ["WRONG_CHANNEL", differs(policy.channel, m.channel)],
    ["WRONG_SYSTEM", differs(policy.system, m.system)],
    ["WRONG_TARGET", differs(policy.target, m.target)],
    ["BAD_PATH", m.storePath.startsWith("-")],
    ["BAD_SUBSTITUTER", !m.substituters.every(urlIsFine)],
    [
      "EXPIRED",
      now !== UNCHECKED &&
        ((m.notAfterS > 0n && now - 300n > m.notAfterS) || m.issuedAtS - 86_400n > now),
    ],
    ["REPLAY", floor !== UNCHECKED && m.revision < floor],
    ["EQUIVOCATION", floor !== UNCHECKED && m.revision === floor && !past.floorIsThis],
    ["FAST_FORWARD", floor !== UNCHECKED && floor > 0n && m.revision > floor + 1_000_000n],
    ["QUARANTINED", past.quarantined],
  ];
  return rules.filter(([, broken]) => broken).map(([code]) => code);
}

/** Keeps most of a sample as it is, so that the later checks are reached too. */
function only<T extends object>(changes: T, names: readonly string[]): Partial<T> {
  const kept = Object.entries(changes).filter(([name]) => names.includes(name));
  return Object.fromEntries(kept) as Partial<T>;
}

const someFields = fc.subarray(
  Object.keys(sampleManifest()).filter((name) => !name.startsWith("$")),
  { maxLength: 3 },
);
const someRules = fc.subarray(Object.keys(samplePolicy()), { maxLength: 3 });
const mostlyTheFirst = fc.oneof(
  { weight: 3, arbitrary: fc.constant<number[]>([0]) },
  { weight: 1, arbitrary: fc.subarray([0, 1, 2], { minLength: 1 }) },
);

test("the gate says what the first broken rule says, and takes exactly what breaks none", () => {
  const threshold = fc.constantFrom(1, 1, 1, 2);
  fc.assert(
    fc.property(
      fc.tuple(someValues, someFields).map(([values, names]) => only(values, names)),
      fc.tuple(somePolicy, someRules).map(([rules, names]) => only(rules, names)),
      somePast,
      mostlyTheFirst,
      mostlyTheFirst,
      threshold,
      (values, rules, past, signing, pinned, threshold) => {
        const manifest = sampleManifest(values);
        const payloadSha256 = sha256(toBinary(ManifestSchema, manifest));
        const revision = floorRevisionOf(past, manifest.revision);
        const policy: Policy = {
          ...samplePolicy(rules),
          threshold,
          publicKeys: pinned.map(keyAt),
          floor:
            revision === UNCHECKED
              ? UNCHECKED
              : { revision, payloadSha256: past.floorIsThis ? payloadSha256 : new Uint8Array(32) },
          quarantine: past.quarantined ? [{ revision: manifest.revision, payloadSha256 }] : [],
        };
        const envelope = signManifest(
          manifest,
          signing.map((place) => seedOf(place + 1)),
        );
        const signers = signing.filter((place) => pinned.includes(place)).length;
        const broken = brokenRules(manifest, policy, signers, past);
        const verdict = openManifest(envelope, policy);
        expect(verdict.ok ? "taken" : verdict.code).toBe(broken[0] ?? "taken");
      },
    ),
    { numRuns: 400 },
  );
});

test("whatever is served in whatever order, the floor never falls", () => {
  const served = fc.array(fc.tuple(fc.bigInt(1n, 9n), fc.constantFrom("x", "y")), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(served, (offers) => {
      let floor: ManifestRef = { revision: 0n, payloadSha256: new Uint8Array() };
      const digests = new Map<bigint, string>();
      for (const [revision, message] of offers) {
        const envelope = signManifest(sampleManifest({ revision, message }), [SEED]);
        const verdict = openManifest(envelope, samplePolicy({ floor }));
        if (!verdict.ok) continue;
        expect(verdict.manifest.revision >= floor.revision).toBe(true);
        expect(verdict.resumed).toBe(verdict.manifest.revision === floor.revision);
        floor = { revision, payloadSha256: verdict.payloadSha256 };
        // One number stands for one payload for ever.
        expect(digests.get(revision) ?? toHex(floor.payloadSha256)).toBe(
          toHex(floor.payloadSha256),
        );
        digests.set(revision, toHex(floor.payloadSha256));
      }
      const highest = offers.map(([revision]) => revision).reduce((a, b) => (a > b ? a : b), 0n);
      expect(floor.revision).toBe(highest);
    }),
    { numRuns: 60 },
  );
});

test("a flipped bit of payload, type or signature is refused, one of a key id changes nothing", () => {
  const envelope = signManifest(sampleManifest(), [SEED]);
  const decoded = decodeEnvelope(envelope);
  if (!decoded.ok) throw new Error(decoded.message);
  const content = decoded.envelope;
  const policy = { ...samplePolicy(), publicKeys: [PUBLIC_KEY] };
  const flip = (bytes: Uint8Array, bit: number) => {
    const changed = Uint8Array.from(bytes);
    const index = bit % (bytes.length * 8);
    changed[index >> 3] = (changed[index >> 3] ?? 0) ^ (1 << (index & 7));
    return changed;
  };
  const answer = (changes: Partial<typeof content>) => {
    const sent = create(SignedManifestSchema, { ...content, ...changes });
    return openManifest(toBinary(SignedManifestSchema, sent), policy).ok;
  };
  fc.assert(
    fc.property(fc.nat(100_000), (bit) => {
      const [one] = content.signatures;
      if (one === undefined) throw new Error("the sample is signed");
      const type = new TextDecoder().decode(
        flip(new TextEncoder().encode(content.payloadType), bit),
      );
      expect({
        payload: answer({ payload: flip(content.payload, bit) }),
        payloadType: answer({ payloadType: type }),
        signature: answer({ signatures: [{ ...one, signature: flip(one.signature, bit) }] }),
        keyId: answer({ signatures: [{ ...one, keyId: flip(one.keyId, bit) }] }),
      }).toEqual({ payload: false, payloadType: false, signature: false, keyId: true });
    }),
    { numRuns: 60 },
  );
});

test("a flipped bit anywhere in the envelope never changes what is read in it", () => {
  const envelope = signManifest(sampleManifest(), [SEED]);
  fc.assert(
    fc.property(fc.nat(envelope.length * 8 - 1), (bit) => {
      const changed = Uint8Array.from(envelope);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const verdict = openManifest(changed, samplePolicy());
      const manifest = verdict.ok ? verdict.manifest : sampleManifest();
      expect(manifest).toEqual(sampleManifest());
    }),
    { numRuns: 150 },
  );
});

test("no bytes make the gate throw", () => {
  const envelope = signManifest(sampleManifest(), [SEED]);
  const spliced = fc
    .tuple(fc.nat(envelope.length), fc.uint8Array({ maxLength: 20 }), fc.nat(envelope.length))
    .map(([from, noise, to]) =>
      Uint8Array.of(...envelope.subarray(0, from), ...noise, ...envelope.subarray(to)),
    );
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), spliced), (bytes) => {
      const verdict = openManifest(bytes, samplePolicy());
      const told = verdict.ok || verdict.message.length > 0;
      expect(told).toBe(true);
    }),
    { numRuns: 300 },
  );
});
