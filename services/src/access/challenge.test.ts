import { expect, test } from "vitest";

import { isOwnChallenge, makeChallenge } from "./challenge.ts";
import { issueSession } from "./session-token.ts";

const KEYS = [new Uint8Array(32).fill(1)] as const;
const NOW = 1_700_000_000_000;

test("a challenge is good for its device, at every server with the key, for 60 s", () => {
  const nonce = makeChallenge("gw-1", KEYS, NOW);
  const other = [new Uint8Array(32).fill(2), ...KEYS] as const;
  expect([
    isOwnChallenge(nonce, "gw-1", KEYS, NOW),
    isOwnChallenge(nonce, "gw-1", KEYS, NOW + 60_000),
    isOwnChallenge(nonce, "gw-1", other, NOW - 5_000),
    isOwnChallenge(nonce, "gw-1", KEYS, NOW + 60_001),
    isOwnChallenge(nonce, "gw-1", KEYS, NOW - 5_001),
    isOwnChallenge(nonce, "gw-2", KEYS, NOW),
    isOwnChallenge(nonce, "gw-1", [other[0]], NOW),
    isOwnChallenge(nonce.subarray(1), "gw-1", KEYS, NOW),
  ]).toEqual([true, true, true, false, false, false, false, false]);
  expect(nonce.length).toBeLessThanOrEqual(128);
});

test("no byte of a challenge can be changed", () => {
  const nonce = makeChallenge("gw-1", KEYS, NOW);
  for (let at = 0; at < nonce.length; at += 1) {
    const changed = Uint8Array.from(nonce, (byte, index) => (index === at ? byte ^ 1 : byte));
    expect(isOwnChallenge(changed, "gw-1", KEYS, NOW)).toBe(false);
  }
});

test("two challenges differ, and the tag of one is not that of a session", () => {
  const nonce = makeChallenge("gw-1", KEYS, NOW);
  expect(makeChallenge("gw-1", KEYS, NOW)).not.toEqual(nonce);
  const tag = Buffer.from(nonce.subarray(24)).toString("base64url");
  const token = issueSession({ deviceId: "gw-1", keyEpoch: 1, expiresAtS: 1 }, KEYS);
  expect(token).not.toContain(tag);
});
