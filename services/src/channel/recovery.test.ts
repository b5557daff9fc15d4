import fc from "fast-check";
import { expect, test } from "vitest";

import { planRecovery } from "./recovery.ts";

const returned = fc
  .array(
    fc.record({
      revision: fc.bigInt({ min: 1n, max: 5n }),
      target: fc.constantFrom("", "a", "b"),
      content: fc.integer({ min: 0, max: 1 }),
    }),
    { maxLength: 8 },
  )
  .map((all) =>
    all.map(({ content, ...one }) => ({
      ...one,
      payloadSha256: new Uint8Array(32).fill(content),
    })),
  );

test("everything above the head is published again, in order, unless two payloads claim one place", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(returned, fc.bigInt({ min: 0n, max: 5n }), (all, head) => {
      const above = all.filter(({ revision }) => revision > head);
      const places = Map.groupBy(above, ({ revision, target }) => `${revision} ${target}`);
      const disputed = [...places.values()].some(
        (some) => new Set(some.map(({ payloadSha256 }) => payloadSha256[0])).size > 1,
      );
      const plan = planRecovery(all, head);
      seen.add(plan.kind);
      expect(plan.kind).toBe(disputed ? "conflict" : above.length === 0 ? "nothing" : "releases");
      if (plan.kind === "conflict") {
        const [one, other] = plan.manifests;
        expect([one.revision, one.target]).toEqual([other.revision, other.target]);
        expect(one.payloadSha256).not.toEqual(other.payloadSha256);
      }
      if (plan.kind !== "releases") return;
      const published = plan.releases.flat().map(({ revision, target }) => `${revision} ${target}`);
      expect(published).toEqual([...places.keys()].toSorted());
      for (const release of plan.releases) {
        expect(new Set(release.map(({ revision }) => revision)).size).toBe(1);
      }
    }),
    { numRuns: 2000 },
  );
  expect([...seen].toSorted()).toEqual(["conflict", "nothing", "releases"]);
});
