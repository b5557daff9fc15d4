// Exits 0 when node_modules holds what package-lock.json says, 1 when it does not or is not there.
// npm writes the hidden lock last, so that a broken installation has none.
import { readFileSync } from "node:fs";

import { differences } from "./lock-difference.ts";

try {
  const found = differences(
    readFileSync("package-lock.json", "utf8"),
    readFileSync("node_modules/.package-lock.json", "utf8"),
  );
  process.exitCode = found.length === 0 ? 0 : 1;
} catch {
  // No lock, or one that npm did not finish: installing again answers both.
  process.exitCode = 1;
}
