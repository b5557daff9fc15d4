import fc from "fast-check";
import { expect, it } from "vitest";

import { HIGHEST_REVISION, LARGEST_SILENT_JUMP, nextRevision } from "./next-revision.ts";

it("is the one after the proven head, 1 where there is none", () => {
  expect(nextRevision(0n, undefined)).toEqual({ kind: "sign", revision: 1n });
  expect(nextRevision(41n, undefined)).toEqual({ kind: "sign", revision: 42n });
});

it("is the one asked for up to a jump of a thousand, which is asked about", () => {
  expect(nextRevision(5n, 1005n)).toEqual({ kind: "sign", revision: 1005n });
  expect(nextRevision(5n, 1006n)).toEqual({ kind: "jump", revision: 1006n, over: 1001n });
});

it("is none at or below the head, and none above the highest number", () => {
  expect(nextRevision(5n, 5n)).toEqual({ kind: "not-above", revision: 5n, head: 5n });
  expect(nextRevision(HIGHEST_REVISION, undefined)).toEqual({ kind: "exhausted" });
});

it("whatever is signed without asking is above the head, near it and in range", () => {
  const revision = fc.bigInt({ min: 0n, max: HIGHEST_REVISION + 2000n });
  fc.assert(
    fc.property(revision, fc.option(revision, { nil: undefined }), (head, requested) => {
      const next = nextRevision(head, requested);
      if (next.kind !== "sign") return;
      expect(next.revision).toBeGreaterThan(head);
      expect(next.revision - head).toBeLessThanOrEqual(LARGEST_SILENT_JUMP);
      expect(next.revision).toBeLessThanOrEqual(HIGHEST_REVISION);
    }),
  );
});
