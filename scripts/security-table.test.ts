import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const PROOF = /`([^`]+\.test\.ts)` "([^"]+)"/g;

/** The rows of the table of attacks. */
function rows(): string[] {
  const text = readFileSync(join(ROOT, "SECURITY.md"), "utf8");
  const table = text.slice(text.indexOf("| attack |"), text.indexOf("## What remains"));
  return table
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .slice(1);
}

/** Each file of tests that a row names, with a part of a title in it. */
function proofs(): { file: string; title: string }[] {
  return rows().flatMap((row) =>
    [...row.matchAll(PROOF)].map(([, file = "", title = ""]) => ({ file, title })),
  );
}

describe("the table of attacks in SECURITY.md", () => {
  test("names a proof for every attack", () => {
    expect(rows().length).toBeGreaterThan(20);
    expect(rows().filter((row) => row.match(PROOF) === null)).toEqual([]);
  });

  test.each(proofs())("$file has a test that says: $title", ({ file, title }) => {
    expect(existsSync(join(ROOT, file)), `${file} is there`).toBe(true);
    expect(readFileSync(join(ROOT, file), "utf8")).toContain(title);
  });
});
