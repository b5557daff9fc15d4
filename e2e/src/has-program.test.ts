import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { hasProgram } from "./has-program.ts";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "has-program-"));
  writeFileSync(join(folder, "tool"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(folder, "text"), "", { mode: 0o644 });
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

test("a program is looked for where it is started: by its path, in PATH, or from its folder", () => {
  expect(hasProgram(join(folder, "tool"))).toBe(true);
  expect(hasProgram("tool", `/nowhere:${folder}`)).toBe(true);
  expect(hasProgram("./tool", "/bin", folder)).toBe(true);
  expect(hasProgram("tool", ".", folder)).toBe(true);
});

test("what is not there, or cannot be run, is no program", () => {
  expect(hasProgram("./tool", "/bin")).toBe(false);
  expect(hasProgram("tool", "/nowhere", folder)).toBe(false);
  expect(hasProgram("./gone", "/bin", folder)).toBe(false);
});
