import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { withMachine } from "./diagram.ts";

const file = join(import.meta.dirname, "../README.md");

test("the README prints the machine (UPDATE_README=1 writes it)", () => {
  const readme = readFileSync(file, "utf8");
  if (process.env["UPDATE_README"] === "1") writeFileSync(file, withMachine(readme));
  expect(readFileSync(file, "utf8")).toBe(withMachine(readme));
});
