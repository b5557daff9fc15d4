import { expect, test } from "vitest";

import { isSessionOver, makeConsoleSession, readSessionCookie } from "./console-session.ts";

test("a cookie is for this host and its pages alone, and is found among others", () => {
  const { setCookie, idSha256 } = makeConsoleSession();
  expect(setCookie).toMatch(
    /^__Host-nix-ota=[\w-]{43}; Max-Age=43200; Path=\/; Secure; HttpOnly; SameSite=Strict$/,
  );
  const [cookie = ""] = setCookie.split(";");
  expect(readSessionCookie(`a=b; ${cookie}; c=d`)).toEqual(idSha256);
  expect(readSessionCookie(cookie)).toEqual(idSha256);
  expect(makeConsoleSession().setCookie).not.toBe(setCookie);
});

test.each([
  null,
  "",
  "a=b",
  "__Host-nix-ota",
  "__Host-nix-ota=",
  "__Host-nix-ota=short",
  "nix-ota=" + "a".repeat(43),
])("%j holds no session", (header) => {
  expect(readSessionCookie(header)).toBeUndefined();
});

test("a session ends half an hour after its last use, and twelve hours after its beginning", () => {
  const MINUTE = 60_000;
  const over = (createdMin: number, usedMin: number, nowMin: number) =>
    isSessionOver(
      { createdAt: new Date(createdMin * MINUTE), lastUsedAt: new Date(usedMin * MINUTE) },
      nowMin * MINUTE,
    );
  expect([over(0, 0, 29.9), over(0, 0, 30), over(0, 719, 719.9), over(0, 719, 720)]).toEqual([
    false,
    true,
    false,
    true,
  ]);
});
