import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { misfits, withMatrix } from "./matrix.ts";

const EMPTY = "before\n<!-- faults -->\n<!-- /faults -->\nafter\n";

test("a matrix that is printed from outcomes fits the table where they do", () => {
  const ends = { rollingBack: ["rolled_back"], stuck: ["failed"] } as Record<string, string[]>;
  const document = withMatrix(EMPTY, (_, state) => ends[state] ?? ["interrupted", "applied"]);
  expect(document).toMatch(
    /^before\n<!-- faults -->\n\| fault \| idle .*\n<!-- \/faults -->\nafter\n$/s,
  );
  expect(misfits(document)).toContain(
    "expired in fetching, prove-first: interrupted, applied is not previous",
  );
  expect(misfits(document)).not.toContainEqual(expect.stringMatching(/^killed in/));
});

test("a row that went missing does not fit", () => {
  const document = withMatrix(EMPTY, () => ["applied"]);
  const shorter = document.replace(/\| SIGKILL of the agent before.*\n/, "");
  expect(misfits(shorter)).toContain("row 1 is not about killed");
});

test("agent/README.md has the outcome of every cell of the table (npm run e2e:faults writes it)", () => {
  const readme = readFileSync(join(import.meta.dirname, "../../agent/README.md"), "utf8");
  expect(misfits(readme)).toEqual([]);
});
