import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Ending } from "./command.ts";
import { run } from "./command.ts";
import type { Tally } from "./tally.ts";

/**
 * Runs vitest and counts its tests. A runner that ends without counts, because it crashed or was
 * killed at its limit, is one failure; so is one that disagrees with its counts.
 *
 * @param args command-line arguments of `vitest run`
 */
export async function runTests(
  args: readonly string[],
  options: { limitMs: number; passThrough: boolean },
): Promise<{ tally: Tally; ending: Ending }> {
  const directory = mkdtempSync(join(tmpdir(), "nix-ota-tests-"));
  const file = join(directory, "tally.json");
  try {
    const ending = await run(["vitest", "run", ...args], {
      ...options,
      env: { ...process.env, NIX_OTA_TALLY: file },
    });
    const tally = readTally(file);
    if (!ending.ok && tally.failed === 0) tally.failed = 1;
    return { tally, ending };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function readTally(file: string): Tally {
  try {
    const tally: Tally = JSON.parse(readFileSync(file, "utf8"));
    return tally;
  } catch {
    // The file is written whole or not at all, and its absence says that the run broke off.
    console.error("the test runner ended without a result");
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
