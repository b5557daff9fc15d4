import fc from "fast-check";
import { expect, test } from "vitest";

import { issueSession, readSession } from "./session-token.ts";

const OLD = new Uint8Array(32).fill(1);
const NEW = new Uint8Array(32).fill(2);
const session = fc.record({
  deviceId: fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,62}$/),
  keyEpoch: fc.integer({ min: 1, max: 1_000_000 }),
  expiresAtS: fc.integer({ min: 1, max: 9_999_999_999 }),
});

test("a token says what it was issued for until its time is over", () => {
  fc.assert(
    fc.property(session, (issued) => {
      const token = issueSession(issued, [OLD]);
      expect(readSession(token, [OLD], issued.expiresAtS - 1)).toEqual(issued);
      expect(readSession(token, [OLD], issued.expiresAtS)).toBeUndefined();
      expect(token).toMatch(/^[\x21-\x7e]+$/);
    }),
  );
});

test("a token outlives a rotation of keys and not its own key", () => {
  const issued = { deviceId: "gw-1", keyEpoch: 1, expiresAtS: 100 };
  const token = issueSession(issued, [OLD]);
  expect(readSession(token, [NEW, OLD], 1)).toEqual(issued);
  expect(readSession(token, [NEW], 1)).toBeUndefined();
});

test("no changed character is accepted", () => {
  const token = issueSession({ deviceId: "gw-1", keyEpoch: 1, expiresAtS: 100 }, [OLD]);
  const changed = fc
    .tuple(fc.nat(token.length - 1), fc.constantFrom("A", "B", "0", "9", ".", "z", "-"))
    .map(([at, character]) => token.slice(0, at) + character + token.slice(at + 1))
    .filter((text) => text !== token);
  fc.assert(
    fc.property(changed, (text) => {
      expect(readSession(text, [OLD], 1)).toBeUndefined();
    }),
    { numRuns: 1000 },
  );
});
