import { expect, test } from "vitest";

import { judgeEnrolmentToken, type StoredEnrolmentToken } from "./enrolment-token.ts";
import { makeSecretToken } from "./secret-token.ts";

const NOW = Date.UTC(2026, 0, 1);
const PRESENTED = makeSecretToken("noe");
const TOKEN: StoredEnrolmentToken = {
  id: PRESENTED.id,
  channel: "prod",
  secretSha256: PRESENTED.sha256,
  maxUses: 2,
  uses: 1,
  createdAt: new Date(NOW - 1000),
  createdBy: "ci",
  expiresAt: new Date(NOW + 1),
  revokedAt: undefined,
  suspendedAt: undefined,
};

test.each<[string, Partial<StoredEnrolmentToken>]>([
  ["good", {}],
  ["unknown", { secretSha256: makeSecretToken("noe").sha256 }],
  ["of-another-channel", { channel: "beta" }],
  ["revoked", { revokedAt: new Date(NOW) }],
  ["suspended", { suspendedAt: new Date(NOW) }],
  ["expired", { expiresAt: new Date(NOW) }],
  ["used-up", { uses: 2 }],
])("a token is %s", (worth, fields) => {
  const token = { ...TOKEN, ...fields };
  expect(judgeEnrolmentToken(PRESENTED, token, { channel: "prod", nowMs: NOW })).toBe(worth);
});

test("whoever has only the id of a token learns nothing of it", () => {
  const guessed = { id: TOKEN.id, sha256: makeSecretToken("noe").sha256 };
  const states = [{}, { revokedAt: new Date(NOW) }, { uses: 2 }, { channel: "beta" }];
  const told = states.map((state) =>
    judgeEnrolmentToken(guessed, { ...TOKEN, ...state }, { channel: "prod", nowMs: NOW }),
  );
  expect(
    new Set([...told, judgeEnrolmentToken(guessed, undefined, { channel: "prod", nowMs: NOW })]),
  ).toEqual(new Set(["unknown"]));
});
