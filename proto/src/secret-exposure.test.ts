import { expect, test } from "vitest";

import { exposure } from "./secret-exposure.ts";

const OWN = 990;
const ROOT = 0;
const judged = (mode: number, uid: number, path = "/etc/token") =>
  exposure("admin token", { file: "/etc/token", path, mode, uid }, OWN);

test("a file of the program's own that others can read is told with its mode and the remedy", () => {
  expect(judged(0o100640, OWN)).toBe(
    "the admin token file /etc/token is open to its group (mode 640); close it with: chmod 600 /etc/token",
  );
  expect(judged(0o100644, OWN)).toBe(
    "the admin token file /etc/token is open to every user (mode 644); close it with: chown 990 /etc/token && chmod 600 /etc/token",
  );
  expect(judged(0o100604, ROOT)).toContain("open to every user (mode 604)");
});

test("a credential of systemd and a file that is the program's by its group are nobody else's", () => {
  expect(judged(0o100400, ROOT)).toBeUndefined();
  expect(judged(0o100440, ROOT)).toBeUndefined();
  expect(judged(0o100640, ROOT)).toBeUndefined();
  expect(judged(0o100600, OWN)).toBeUndefined();
});

test("a secret in the Nix store is open whatever its mode, and cannot be closed", () => {
  expect(judged(0o100400, ROOT, "/nix/store/abc-token")).toMatch(
    /file \/etc\/token is in the Nix store.*make a new secret$/,
  );
});

test("its commands are whole whatever the file is called", () => {
  const file = "/etc/my token; reboot";
  const closes = (mode: number) =>
    exposure("admin token", { file, path: file, mode, uid: OWN }, OWN)?.split("close it with: ")[1];
  expect(closes(0o100640)).toBe(`chmod 600 '${file}'`);
  expect(closes(0o100604)).toBe(`chown 990 '${file}' && chmod 600 '${file}'`);
});
