import fc from "fast-check";
import { expect, test } from "vitest";

import { decideEnrolment } from "./enrolment.ts";

const key = fc.integer({ min: 1, max: 3 }).map((byte) => new Uint8Array(32).fill(byte));
const mode = fc.constantFrom("open", "token", "approve");
const device = fc.record({
  publicKey: key,
  standing: fc.constantFrom("accepted", "pending", "rejected", "revoked"),
  keyEpoch: fc.integer({ min: 1, max: 9 }),
});

test("an unknown device is pinned, waits, or is turned away as its channel says", () => {
  const decided = (["open", "approve", "token"] as const).map((one) =>
    decideEnrolment(new Uint8Array(32), undefined, one),
  );
  expect(decided).toEqual([
    { kind: "pin", standing: "accepted" },
    { kind: "pin", standing: "pending" },
    { kind: "closed" },
  ]);
});

test("a hijacked first enrolment: no mode ever lets a second key in under an id", () => {
  fc.assert(
    fc.property(key, device, mode, (publicKey, stored, enrolment) => {
      const decision = decideEnrolment(publicKey, stored, enrolment);
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
