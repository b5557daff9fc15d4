import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "vitest";

import { exposure, exposureOf } from "./exposed-file.ts";

const SERVER = 990;
const ROOT = 0;
const judged = (mode: number, uid: number, path = "/etc/token") =>
  exposure("admin token", { file: "/etc/token", path, access: { mode, uid }, ownUid: SERVER });

test("a file of the server's own that others can read is told with its mode and the remedy", () => {
  expect(judged(0o100640, SERVER)).toBe(
    "the admin token file /etc/token is open to its group (mode 640); close it with: chmod 600 /etc/token",
  );
  expect(judged(0o100644, SERVER)).toBe(
    "the admin token file /etc/token is open to every user (mode 644); close it with: chown 990 /etc/token && chmod 600 /etc/token",
  );
  expect(judged(0o100604, ROOT)).toContain("open to every user (mode 604)");
});

test("a credential of systemd and a file that is the server's by its group are nobody else's", () => {
  expect(judged(0o100400, ROOT)).toBeUndefined();
  expect(judged(0o100440, ROOT)).toBeUndefined();
  expect(judged(0o100640, ROOT)).toBeUndefined();
  expect(judged(0o100600, SERVER)).toBeUndefined();
});

test("a secret in the Nix store is open whatever its mode, and cannot be closed", () => {
  expect(judged(0o100400, ROOT, "/nix/store/abc-token")).toMatch(
    /file \/etc\/token is in the Nix store.*make a new secret$/,
  );
});

test("what a link leads to counts, and a file that is not there is no concern here", () => {
  const folder = mkdtempSync(join(tmpdir(), "nix-ota-exposed-"));
  try {
    const [file, link] = [join(folder, "file"), join(folder, "link")];
    writeFileSync(file, "");
    chmodSync(file, 0o640);
    symlinkSync(file, link);
    expect(exposureOf(link, "publish token")).toBe(
      `the publish token file ${link} is open to its group (mode 640); close it with: chmod 600 ${link}`,
    );
    chmodSync(file, 0o600);
    expect(exposureOf(link, "publish token")).toBeUndefined();
    expect(exposureOf(join(folder, "none"), "publish token")).toBeUndefined();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
