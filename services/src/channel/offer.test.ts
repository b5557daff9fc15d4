import fc from "fast-check";
import { expect, test } from "vitest";

import { newestFor, offer, type DeviceFacts, type HeadFacts } from "./offer.ts";

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
};
const HEAD: HeadFacts = {
  headRevision: 5n,
  paused: false,
  manifest: { revision: 4n, payloadSha256: SHA, system: "x86_64-linux" },
};

test.each<[string, Partial<DeviceFacts>, Partial<HeadFacts> | undefined, string]>([
  ["nothing is in the way", {}, {}, "r4"],
  ["it was never enrolled", { standing: "pending" }, {}, "NOT_ENROLLED"],
  ["its access was ended", { standing: "revoked" }, {}, "NOT_ENROLLED"],
  ["there is no channel", {}, undefined, "NO_RELEASE"],
  ["nothing was published", {}, { headRevision: 0n, manifest: undefined }, "NO_RELEASE"],
  ["it verified more than the server has", { floorRevision: 6n }, {}, "SERVER_BEHIND"],
  ["the channel is gone from the server", { floorRevision: 1n }, undefined, "SERVER_BEHIND"],
  ["the channel is paused", {}, { paused: true }, "PAUSED"],
  ["no release has its target", { target: "x" }, { manifest: undefined }, "NO_MANIFEST_FOR_TARGET"],
  ["its gate would refuse a replay", { floorRevision: 5n }, {}, "NO_MANIFEST_FOR_TARGET"],
  ["it is another kind of machine", { system: "aarch64-linux" }, {}, "WRONG_SYSTEM"],
  ["it did not tell its kind", { system: "" }, {}, "r4"],
  ["it has the revision", { committedRevision: 4n, floorRevision: 4n }, {}, "UP_TO_DATE"],
  ["the revision failed on it", { quarantinedRevisions: [3n, 4n] }, {}, "QUARANTINED"],
  ["another revision failed on it", { quarantinedRevisions: [3n] }, {}, "r4"],
  ["an operator wishes another try", { quarantinedRevisions: [4n], retryRevision: 4n }, {}, "r4"],
  [
    "an operator wished another try of an older one",
    { quarantinedRevisions: [4n], retryRevision: 3n },
    {},
    "QUARANTINED",
  ],
])("when %s", (_title, device, head, expected) => {
  const decision = offer({ ...DEVICE, ...device }, head && { ...HEAD, ...head });
  expect(decision.kind === "offer" ? `r${decision.revision}` : decision.reason).toBe(expected);
  if (decision.kind === "hold") expect(decision.explanation).toMatch(/^[a-z].*[^.]$/);
});

const revision = fc.bigInt({ min: 0n, max: 8n });
const facts = fc.record({
  device: fc.record({
    standing: fc.constantFrom("accepted", "accepted", "accepted", "pending", "revoked"),
    system: fc.constantFrom("", "x86_64-linux", "aarch64-linux"),
    floorRevision: fc.bigInt({ min: 0n, max: 4n }),
    committedRevision: fc.bigInt({ min: 0n, max: 4n }),
    quarantinedRevisions: fc.array(revision, { maxLength: 3 }),
    retryRevision: revision,
  }),
  head: fc.option(
    fc.record({
      headRevision: revision,
      paused: fc.boolean(),
      target: fc.boolean(),
      below: revision,
    }),
    { nil: undefined },
  ),
});

test("what is offered is a manifest that the device's own gate would let in", () => {
  let offers = 0;
  fc.assert(
    fc.property(facts, ({ device, head }) => {
      const manifest =
        head === undefined || !head.target || head.headRevision === 0n
          ? undefined
          : {
              revision: head.below >= head.headRevision ? head.headRevision : head.below + 1n,
              payloadSha256: SHA,
              system: "x86_64-linux",
            };
      const asked = { ...DEVICE, ...device } as DeviceFacts;
      const known = head && { ...head, manifest };
      const decision = offer(asked, known);
      if (decision.kind === "hold") return;
      offers += 1;
      expect(decision.revision).toBe(manifest?.revision);
      expect(known?.paused).toBe(false);
      expect(asked.standing).toBe("accepted");
      expect(decision.revision).toBeGreaterThanOrEqual(asked.floorRevision);
      expect(decision.revision).toBeGreaterThan(asked.committedRevision);
      expect(newestFor(asked, known).kind).toBe("newest");
    }),
    { numRuns: 3000 },
  );
  expect(offers).toBeGreaterThan(50);
});
