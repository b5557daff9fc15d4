import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, it, vi } from "vitest";

import type { Ending } from "./command.ts";
import { run } from "./command.ts";

const LIMIT_MS = 60_000;
const CONFIG = `
import { ClosingLine } from "${join(import.meta.dirname, "closing-line.ts")}";
export default {
  test: {
    reporters: [new ClosingLine()],
    setupFiles: ["${join(import.meta.dirname, "leaks.ts")}"],
  },
};`;

let directory: string;

vi.setConfig({ testTimeout: LIMIT_MS });

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "closing-line-"));
  symlinkSync(join(import.meta.dirname, "../node_modules"), join(directory, "node_modules"));
  writeFileSync(join(directory, "vitest.config.mjs"), CONFIG);
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

it("counts what passed, and says why a test was skipped", async () => {
  const ending = await runFiles({
    "a.test.mjs": `it("a", () => {}); it("b", () => {});`,
    "b.test.mjs": `describe("d", () => { it("c", (context) => context.skip("no disk")); });`,
  });
  expect(lines(ending)).toContain("skipped: d > c: no disk");
  expect(lines(ending)).toContain("2 passed, 0 failed, 1 skipped");
  expect(ending.ok).toBe(true);
});

it("counts each thing that went wrong as one failure", async () => {
  const ending = await runFiles({
    "fails.test.mjs": `it("a", () => { throw new Error("a"); });`,
    "skips-without-a-reason.test.mjs": `it.skip("a", () => {});`,
    "cannot-be-loaded.test.mjs": `import "./missing.mjs";`,
    "cannot-be-set-up.test.mjs": `describe("d", () => {
      beforeAll(() => { throw new Error("a"); }); it("a", () => {}); it("b", () => {}); });`,
    "leaves-a-server-open.test.mjs": `import { createServer } from "node:net";
      it("a", () => new Promise((done) => createServer().listen(0, "127.0.0.1", done)));`,
    "leaves-a-timer.test.mjs": `it("a", () => { setInterval(() => {}, 1000); });`,
    "rejects-behind-the-test.test.mjs": `it("a", () => { void Promise.reject(new Error("b")); });`,
  });
  expect(lines(ending)).toContain("3 passed, 7 failed");
  expect(ending.ok).toBe(false);
});

it("fails when nothing was tried", async () => {
  const skipped = await runFiles({ "a.test.mjs": `it("a", (context) => context.skip("why"));` });
  expect(lines(skipped)).toContain("0 passed, 0 failed, 1 skipped");
  expect(skipped.ok).toBe(false);
});

async function runFiles(files: Record<string, string>): Promise<Ending> {
  for (const [name, tests] of Object.entries(files))
    writeFileSync(
      join(directory, name),
      `import { beforeAll, describe, it } from "vitest";\n${tests}\n`,
    );
  // The tally of the run that this test is part of is not this run's to write.
  const { NIX_OTA_TALLY: _, ...env } = process.env;
  return run(["vitest", "run", "--root", directory], { limitMs: LIMIT_MS, env });
}

function lines(ending: Ending): string[] {
  return ending.output.split("\n");
}
