import fc from "fast-check";
import { expect, test } from "vitest";

import { decideEnrolment } from "./enrolment.ts";

const MODES = ["open", "token", "approve"] as const;
const key = fc.integer({ min: 1, max: 3 }).map((byte) => new Uint8Array(32).fill(byte));
const way = fc.record({
  mode: fc.constantFrom(...MODES),
  goodTokenId: fc.constantFrom(undefined, "0123456789abcdef"),
});
const device = fc.record({
  publicKey: key,
  standing: fc.constantFrom("accepted", "pending", "rejected", "revoked"),
  keyEpoch: fc.integer({ min: 1, max: 9 }),
});

test("an unknown device is pinned, waits, or is turned away as its channel says", () => {
  const decided = MODES.map((mode) =>
    decideEnrolment(new Uint8Array(32), undefined, { mode, goodTokenId: undefined }),
  );
  expect(decided).toEqual([
    { kind: "pin", standing: "accepted", by: "open" },
    { kind: "closed" },
    { kind: "pin", standing: "pending", by: "approve" },
  ]);
});

test("a good token lets a device in where one is asked for, and approves nobody", () => {
  const decided = MODES.map((mode) =>
    decideEnrolment(new Uint8Array(32), undefined, { mode, goodTokenId: "0123456789abcdef" }),
  );
  const by = "token:0123456789abcdef";
  expect(decided).toEqual([
    { kind: "pin", standing: "accepted", by },
    { kind: "pin", standing: "accepted", by },
    { kind: "pin", standing: "pending", by },
  ]);
});

test("a hijacked first enrolment: no mode and no token ever lets a second key in under an id", () => {
  fc.assert(
    fc.property(key, device, way, (publicKey, stored, by) => {
      const decision = decideEnrolment(publicKey, stored, by);
      const same = publicKey[0] === stored.publicKey[0];
      const ended = stored.standing === "revoked" || stored.standing === "rejected";
      const { standing, keyEpoch } = stored;
      expect(decision).toEqual(
        !same
          ? { kind: "conflict" }
          : ended
            ? { kind: "revoked" }
            : { kind: "known", standing, keyEpoch },
      );
    }),
  );
});
