import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { fileProblems } from "./config-files.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nix-ota-config-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const at = (name: string) => join(folder, name);

test("files that a start makes by itself are no problem, and looking makes none", () => {
  const config = { dataDir: at("new/data"), sessionKeyFile: at("new/data/session.key") };
  expect(fileProblems(config)).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
});

test("every file that is missing or wrong is told at once, with the remedy", () => {
  writeFileSync(at("file"), "");
  writeFileSync(at("key"), "short\n");
  chmodSync(at("key"), 0o600);
  const config = {
    dataDir: at("file"),
    sessionKeyFile: at("key"),
    publishTokenFile: at("none"),
    adminTokenFile: at("file"),
    tlsCertFile: at("crt"),
    tlsKeyFile: at("key"),
  };
  expect(fileProblems(config)).toEqual([
    expect.stringMatching(/file is no directory; give another one$/),
    expect.stringMatching(/openssl rand -base64 32$/),
    expect.stringMatching(/the publish token file .*none cannot be read/),
    expect.stringMatching(/the admin token file .*file must hold one secret/),
    expect.stringMatching(/^the TLS files cannot be read/),
  ]);
});

test("where nothing can be made is named", () => {
  writeFileSync(at("file"), "");
  const config = { dataDir: at("file/data"), sessionKeyFile: at("file/session.key") };
  expect(fileProblems(config)).toEqual([
    expect.stringContaining(`cannot be made: this user may not write to ${at("file")}`),
    expect.stringContaining(`cannot be made: this user may not write to ${at("file")}`),
  ]);
});
