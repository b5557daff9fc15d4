import fc from "fast-check";
import { expect, test } from "vitest";

import {
  factsAt,
  newestFor,
  offer,
  shownTo,
  type DeviceFacts,
  type HeadFacts,
  type OfferDecision,
  type ShownDecision,
} from "./offer.ts";

const SHA = new Uint8Array(32).fill(1);
const DEVICE: DeviceFacts = {
  channel: "prod",
  target: "",
  standing: "accepted",
  system: "x86_64-linux",
  floorRevision: 0n,
  committedRevision: 0n,
  quarantinedRevisions: [],
  retryRevision: 0n,
  pinnedRevision: 0n,
};
const manifest = (revision: bigint, rolloutPaused = false) => ({
  revision,
  payloadSha256: SHA,
  system: "x86_64-linux",
  rolloutPaused,
});
const HEAD: HeadFacts = { headRevision: 5n, paused: false, manifest: manifest(4n) };

const named = (decision: OfferDecision | ShownDecision) =>
  decision.kind === "offer"
    ? `r${decision.revision}`
    : decision.kind === "shown"
      ? `shown r${decision.manifest.revision}`
      : decision.reason;

test.each<[string, Partial<DeviceFacts>, Partial<HeadFacts> | undefined, string]>([
  ["nothing is in the way", {}, {}, "r4"],
  ["it waits for approval", { standing: "pending" }, {}, "NOT_ENROLLED"],
  ["it was turned away", { standing: "rejected" }, {}, "NOT_ENROLLED"],
  ["its access was ended", { standing: "revoked" }, {}, "NOT_ENROLLED"],
  ["there is no channel", {}, undefined, "NO_RELEASE"],
  ["nothing was published", {}, { headRevision: 0n, manifest: undefined }, "NO_RELEASE"],
  ["it verified more than the server has", { floorRevision: 6n }, {}, "SERVER_BEHIND"],
  ["the channel is gone from the server", { floorRevision: 1n }, undefined, "SERVER_BEHIND"],
  ["the channel is paused", {}, { paused: true }, "PAUSED"],
  ["the rollout of the newest is paused", {}, { manifest: manifest(4n, true) }, "PAUSED"],
  [
    "it has what is paused",
    { committedRevision: 4n },
    { paused: true, manifest: manifest(4n, true) },
    "UP_TO_DATE",
  ],
  ["no release has its target", { target: "x" }, { manifest: undefined }, "NO_MANIFEST_FOR_TARGET"],
  ["its gate would refuse a replay", { floorRevision: 5n }, {}, "NO_MANIFEST_FOR_TARGET"],
  ["it verified the revision and did not take it yet", { floorRevision: 4n }, {}, "r4"],
  ["it is another kind of machine", { system: "aarch64-linux" }, {}, "WRONG_SYSTEM"],
  ["it did not tell its kind", { system: "" }, {}, "r4"],
  ["it has the revision", { committedRevision: 4n, floorRevision: 4n }, {}, "UP_TO_DATE"],
  ["it has a later one", { committedRevision: 5n, floorRevision: 5n }, {}, "UP_TO_DATE"],
  ["the revision failed on it", { quarantinedRevisions: [3n, 4n] }, {}, "QUARANTINED"],
  ["another revision failed on it", { quarantinedRevisions: [3n] }, {}, "r4"],
  ["an operator wishes another try", { quarantinedRevisions: [4n], retryRevision: 4n }, {}, "r4"],
  [
    "an operator wished another try of an older one",
    { quarantinedRevisions: [4n], retryRevision: 3n },
    {},
    "QUARANTINED",
  ],
  ["it is pinned above the head", { pinnedRevision: 9n }, {}, "r4"],
  [
    "it is pinned to the head and has it",
    { pinnedRevision: 5n, committedRevision: 4n },
    {},
    "UP_TO_DATE",
  ],
])("when %s", (_title, device, head, expected) => {
  const decision = offer({ ...DEVICE, ...device }, head && { ...HEAD, ...head });
  expect(named(decision)).toBe(expected);
  if (decision.kind === "hold") expect(decision.explanation).toMatch(/^[a-z].*[^.]$/);
});

test.each<[string, Partial<DeviceFacts>, Partial<HeadFacts>, string]>([
  [
    "below the pin is offered what leads to it",
    { committedRevision: 5n, floorRevision: 5n },
    {},
    "r7",
  ],
  [
    "on the pin stays",
    { committedRevision: 7n, floorRevision: 7n },
    {},
    "the device is pinned to r7 of prod and stays on r7; `nix-ota device unpin` lifts the pin",
  ],
  [
    "above the pin stays where it is",
    { committedRevision: 9n, floorRevision: 9n },
    {},
    "the device is pinned to r7 of prod and has r9, below which it does not go; `nix-ota device unpin` lifts the pin",
  ],
  [
    "that verified more than the pin and failed on it stays below",
    { committedRevision: 5n, floorRevision: 9n, quarantinedRevisions: [9n] },
    {},
    "the device is pinned to r7 of prod and verified r9, below which it takes nothing; `nix-ota device unpin` lifts the pin",
  ],
  [
    "whose target has nothing up to the pin stays",
    { committedRevision: 0n },
    { manifest: undefined },
    "the device is pinned to r7 of prod, up to which no release has a manifest for devices without a target; `nix-ota device unpin` lifts the pin",
  ],
  [
    "is not offered a paused pin",
    { committedRevision: 5n },
    { manifest: manifest(7n, true) },
    "PAUSED",
  ],
])("pinned to r7 under the head r9, a device %s", (_title, device, head, expected) => {
  const decision = offer(
    { ...DEVICE, pinnedRevision: 7n, ...device },
    { headRevision: 9n, paused: false, manifest: manifest(7n), ...head },
  );
  const told = decision.kind === "hold" && decision.reason === "PINNED";
  expect(told ? decision.explanation : named(decision)).toBe(expected);
});

test("who only reads sees what a rollout holds back, a device that may not report does not", () => {
  const head = { ...HEAD, manifest: manifest(4n, true) };
  expect([newestFor(DEVICE, head), shownTo(DEVICE, head)].map(named)).toEqual([
    "shown r4",
    "PAUSED",
  ]);
  const paused = { ...HEAD, paused: true };
  expect([newestFor(DEVICE, paused), shownTo(DEVICE, paused)].map(named)).toEqual([
    "PAUSED",
    "PAUSED",
  ]);
  expect([newestFor(DEVICE, HEAD), shownTo(DEVICE, HEAD)].map(named)).toEqual([
    "shown r4",
    "shown r4",
  ]);
});

test("of a device that moved, what it knew elsewhere does not count", () => {
  const stored = {
    ...DEVICE,
    committedRevision: 4n,
    quarantinedRevisions: [3n],
    retryRevision: 3n,
    pinnedRevision: 4n,
  };
  expect(factsAt(stored, { channel: "prod", target: "", floorRevision: 2n })).toEqual({
    ...stored,
    floorRevision: 2n,
  });
  expect(factsAt(stored, { channel: "prod", target: "x", floorRevision: 0n })).toEqual({
    ...stored,
    target: "x",
    committedRevision: 0n,
    quarantinedRevisions: [],
  });
  expect(factsAt(stored, { channel: "beta", target: "", floorRevision: 0n })).toEqual({
    ...DEVICE,
    channel: "beta",
  });
});

const MOST = 6n;
const revision = fc.bigInt({ min: 0n, max: MOST });
/** A channel: which revisions have a manifest for the target, and which of those are paused. */
const world = fc.record({
  paused: fc.boolean(),
  exists: fc.boolean(),
  releases: fc.array(
    fc.constantFrom("for the target", "for another", "paused", "for another machine"),
    { maxLength: Number(MOST) },
  ),
  device: fc.record({
    standing: fc.constantFrom("accepted", "accepted", "accepted", "pending", "rejected", "revoked"),
    system: fc.constantFrom("", "x86_64-linux"),
    floorRevision: revision,
    committedRevision: revision,
    quarantinedRevisions: fc.array(revision, { maxLength: 3 }),
    retryRevision: revision,
    pinnedRevision: fc.oneof(fc.constant(0n), revision),
  }),
});
type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

/** What the queries find: the newest for the target up to head and pin. */
function headOf({ exists, paused, releases, device }: World): HeadFacts | undefined {
  if (!exists) return undefined;
  const headRevision = BigInt(releases.length);
  const upTo = device.pinnedRevision === 0n ? headRevision : device.pinnedRevision;
  const place = releases.findLastIndex(
    (release, index) => release !== "for another" && BigInt(index + 1) <= upTo,
  );
  if (place < 0) return { headRevision, paused, manifest: undefined };
  const found = manifest(BigInt(place + 1), releases[place] === "paused");
  const system = releases[place] === "for another machine" ? "riscv64-linux" : found.system;
  return { headRevision, paused, manifest: { ...found, system } };
}

test("10 000 channels and devices: what is offered is what the device's own gate lets in, and nothing that is held back", () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(world, (one) => {
      const device: DeviceFacts = { ...DEVICE, ...one.device };
      const head = headOf(one);
      const decision = offer(device, head);
      expect(offer(device, head)).toEqual(decision);
      const name = decision.kind === "offer" ? "offer" : decision.reason;
      seen.set(name, (seen.get(name) ?? 0) + 1);
      if (decision.kind === "hold") {
        expect(decision.explanation).not.toBe("");
        return;
      }
      const { revision: offered } = decision;
      expect(one.releases[Number(offered) - 1]).not.toBe("paused");
      expect(one.releases[Number(offered) - 1]).not.toBe("for another");
      expect(one.paused || !one.exists).toBe(false);
      expect(device.standing).toBe("accepted");
      expect(offered).toBeGreaterThanOrEqual(device.floorRevision);
      expect(offered).toBeGreaterThan(device.committedRevision);
      // Never history: what is newer for its target is beyond its pin.
      const newer = one.releases.slice(Number(offered)).findIndex((kind) => kind !== "for another");
      const next = offered + 1n + BigInt(newer);
      expect(newer < 0 || (device.pinnedRevision > 0n && next > device.pinnedRevision)).toBe(true);
      if (device.pinnedRevision > 0n) expect(offered).toBeLessThanOrEqual(device.pinnedRevision);
      if (device.quarantinedRevisions.includes(offered)) expect(device.retryRevision).toBe(offered);
      if (device.system !== "") expect(head?.manifest?.system).toBe(device.system);
    }),
    { numRuns: 10_000 },
  );
  expect([...seen.keys()].toSorted()).toEqual([
    "NOT_ENROLLED",
    "NO_MANIFEST_FOR_TARGET",
    "NO_RELEASE",
    "PAUSED",
    "PINNED",
    "QUARANTINED",
    "SERVER_BEHIND",
    "UP_TO_DATE",
    "WRONG_SYSTEM",
    "offer",
  ]);
}, 60_000);
