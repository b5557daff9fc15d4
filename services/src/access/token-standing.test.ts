import { expect, test } from "vitest";

import { tokenStanding, type TokenTimes } from "./token-standing.ts";

const NOW = 1_700_000_000_000;
const at = (ms: number) => new Date(NOW + ms);
const standing = (times: Partial<TokenTimes>) =>
  tokenStanding(
    { expiresAt: undefined, revokedAt: undefined, suspendedAt: undefined, ...times },
    NOW,
  );

test("a token works until its end, unless it is revoked or waits to be confirmed", () => {
  expect([
    standing({}),
    standing({ expiresAt: at(1) }),
    standing({ expiresAt: at(0) }),
    standing({ revokedAt: at(-1) }),
    standing({ suspendedAt: at(-1) }),
  ]).toEqual(["good", "good", "expired", "revoked", "suspended"]);
});

test("no confirmation revives what was revoked or has expired", () => {
  expect(standing({ suspendedAt: at(-1), expiresAt: at(-1) })).toBe("expired");
  expect(standing({ suspendedAt: at(-1), expiresAt: at(-1), revokedAt: at(-2) })).toBe("revoked");
});
