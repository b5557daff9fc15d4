import fc from "fast-check";
import { expect, test } from "vitest";

import { decidePublish, type ManifestIdentity } from "./publish-rule.ts";

const TARGETS = ["", "a", "b", "c"];
const release = fc
  .uniqueArray(fc.constantFrom(...TARGETS), { maxLength: 4 })
  .chain((targets) =>
    fc.tuple(
      ...targets.map((target) =>
        fc.integer({ min: 0, max: 2 }).map((content) => ({ target, content })),
      ),
    ),
  );

const identities = (manifests: readonly { target: string; content: number }[]) =>
  manifests.map(({ target, content }): ManifestIdentity => ({
    target,
    payloadSha256: new Uint8Array(32).fill(content),
  }));

test("a repeat is fine exactly when every payload brought is the one stored for its target", () => {
  fc.assert(
    fc.property(release, release, (brought, published) => {
      const decision = decidePublish(identities(brought), identities(published));
      const same = brought.every(({ target, content }) =>
        published.some((one) => one.target === target && one.content === content),
      );
      if (published.length === 0) expect(decision).toEqual({ kind: "stale" });
      else expect(decision.kind).toBe(same ? "repeat" : "taken");
    }),
    { numRuns: 10_000 },
  );
}, 60_000);

/** A channel as the database keeps it: the head is compared and set, then the rule decides. */
class ModelChannel {
  head = 0;
  readonly releases = new Map<number, readonly { target: string; content: number }[]>();

  publish(revision: number, manifests: readonly { target: string; content: number }[]): string {
    if (revision > this.head) {
      this.head = revision;
      this.releases.set(revision, manifests);
      return "published";
    }
    return decidePublish(identities(manifests), identities(this.releases.get(revision) ?? [])).kind;
  }
}

test("whatever the order of publishes, the head is the highest, OK means stored, and a repeat is OK", () => {
  const publish = fc.record({
    revision: fc.integer({ min: 1, max: 5 }),
    manifests: release.filter((manifests) => manifests.length > 0),
  });
  fc.assert(
    fc.property(fc.array(publish, { maxLength: 12 }), (publishes) => {
      const channel = new ModelChannel();
      let highest = 0;
      for (const { revision, manifests } of publishes) {
        const outcome = channel.publish(revision, manifests);
        if (outcome === "published") highest = revision;
        expect(channel.head).toBe(highest);
        if (outcome === "published" || outcome === "repeat") {
          expect(channel.releases.get(revision)).toEqual(expect.arrayContaining([...manifests]));
          expect(channel.publish(revision, manifests)).toBe("repeat");
        }
      }
    }),
    { numRuns: 10_000 },
  );
}, 60_000);
