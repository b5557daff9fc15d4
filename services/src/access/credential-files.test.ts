import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { readSecretFile } from "./secret-file.ts";
import { digestOfSecret, sameDigest } from "./secret.ts";
import { ensureSessionKeys, readSessionKeys } from "./session-key-file.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "nix-ota-credentials-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function file(name: string, content: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, content, { mode });
  chmodSync(path, mode);
  return path;
}

test("a token of 32 bytes matches itself and nothing else", () => {
  const secret = "s".repeat(32);
  const token = readSecretFile(file("token", ` ${secret}\n`), "publish token");
  if (typeof token === "string") throw new Error(token);
  const presented = [secret, `${secret}s`, secret.slice(1), ""];
  expect(presented.map((one) => sameDigest(digestOfSecret(one), token.digest))).toEqual([
    true,
    false,
    false,
    false,
  ]);
});

test.each([
  ["short", "s".repeat(31)],
  ["empty", ""],
  ["two-words", `${"s".repeat(32)} ${"t".repeat(32)}`],
  ["endless", "s".repeat(5000)],
])("a token file that is %s is refused with the remedy and without the secret", (name, content) => {
  const problem = readSecretFile(file(name, content), "admin token");
  expect(problem).toMatch(/openssl rand -hex 32/);
  expect(problem).not.toMatch(/sss|ttt/);
});

test("a token file that is not there is named", () => {
  expect(readSecretFile(join(folder, "none"), "publish token")).toContain(join(folder, "none"));
});

test("a session key file is made once, for its owner alone, and read the same afterwards", () => {
  const path = join(folder, "made", "session.key");
  expect(readSessionKeys(path)).toMatch(/cannot be read/);
  const keys = ensureSessionKeys(path);
  expect(keys).toEqual([expect.any(Uint8Array)]);
  expect([ensureSessionKeys(path), readSessionKeys(path)]).toEqual([keys, keys]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(existsSync(path)).toBe(true);
  expect(readFileSync(path, "utf8")).toMatch(/^[A-Za-z0-9+/]{43}=\n$/);
});

test("two keys are read in their order; three, none or others are refused", () => {
  const line = (byte: number) => Buffer.alloc(32, byte).toString("base64");
  expect(readSessionKeys(file("two", `${line(1)}\n${line(2)}\n`))).toEqual([
    new Uint8Array(32).fill(1),
    new Uint8Array(32).fill(2),
  ]);
  const wrong = [`${line(1)}\n${line(2)}\n${line(3)}\n`, "", "short\n", `${line(1)}\nshort\n`];
  for (const [index, content] of wrong.entries()) {
    const problem = readSessionKeys(file(`wrong-${index}`, content));
    expect(problem).toMatch(/openssl rand -base64 32/);
    expect(problem).not.toContain(line(1));
  }
});

test("a session key file that every user can read is refused", () => {
  const path = file("open", `${Buffer.alloc(32, 1).toString("base64")}\n`, 0o644);
  expect(readSessionKeys(path)).toMatch(/chmod 600/);
});
