import { globSync, readFileSync } from "node:fs";
import { dirname, matchesGlob } from "node:path";

import { describe, expect, it } from "vitest";

import { allowedImports } from "./scripts/allowed-imports.ts";
import { withBlock } from "./scripts/document-block.ts";
import { complaints, rowOf } from "./scripts/import-complaints.ts";
import { printed } from "./scripts/imports-table.ts";
import { sourceFacts } from "./scripts/source-facts.ts";

const sources = globSync("**/*.ts", {
  exclude: (name) => ["node_modules", "dist", ".git"].includes(name),
}).toSorted();

it("finds the sources", () => {
  expect(sources).toContain("architecture.test.ts");
  expect(sources).toContain("proto/src/index.ts");
});

it("every file imports only what its place may", { timeout: 60_000 }, () => {
  expect(sources.flatMap((path) => judge(path, readFileSync(path, "utf8")))).toEqual([]);
});

it("each table of the database is written by one feature", () => {
  const features = sources.filter((path) => matchesGlob(path, "services/src/*/*queries.ts"));
  const writers = Map.groupBy(features.flatMap(tableWrites), ({ table }) => table);
  const shared = [...writers].map(([table, writes]) => [
    table,
    [...new Set(writes.map((w) => w.by))],
  ]);
  expect(shared).not.toEqual([]);
  expect(shared.filter(([, by]) => by!.length > 1)).toEqual([]);
});

it("every row has a file", () => {
  const used = new Set(sources.map((path) => rowOf(allowedImports, path)));
  expect(allowedImports.filter((row) => !used.has(row)).map((row) => row.files)).toEqual([]);
});

it("ARCHITECTURE.md prints the table (npm run docs:imports writes it)", () => {
  const document = readFileSync("ARCHITECTURE.md", "utf8");
  expect(document).toBe(withBlock(document, "allowed-imports", printed(allowedImports)));
});

describe("a breach is seen", () => {
  it.each([
    ["proto/src/gate.ts", `import "node:fs";`, "import node:fs"],
    ["proto/src/gate.ts", `const a = await import("@connectrpc/connect");`, "@connectrpc/connect"],
    ["proto/src/gate.ts", `export * from "../../agent/src/main.ts";`, "import agent/src/main.ts"],
    ["proto/src/gate.ts", `export const now = () => Date.now();`, "reach for the clock"],
    ["proto/src/gate.ts", `export const now = () => new Date();`, "reach for the clock"],
    ["proto/src/gate.ts", `export const home = process.env.HOME;`, "reach for the environment"],
    ["agent/src/machine.ts", `import { open } from "node:fs";`, "import node:fs"],
    ["agent/src/machine.ts", `import { spawn } from "node:child_process";`, "node:child_process"],
    ["agent/src/machine.ts", `import "./nix/path-info.ts";`, "import agent/src/nix/path-info.ts"],
    ["cli/src/nix.ts", `import type { A } from "../../agent/src/a.ts";`, "import agent/src/a.ts"],
    ["services/src/publish/rules.ts", `import { sql } from "kysely";`, "import kysely"],
    ["services/src/publish/rules.ts", `import "./queries.ts";`, "publish/queries.ts"],
    ["services/src/publish/rules.ts", `import "./release-queries.ts";`, "release-queries.ts"],
    ["services/src/publish/rules.ts", `import "../errors.ts";`, "import services/src/errors.ts"],
    ["services/src/publish/service.ts", `import { sql } from "kysely";`, "import kysely"],
    ["services/src/publish/queries.ts", `import "@connectrpc/connect";`, "@connectrpc/connect"],
    [
      "agent/src/machine.ts",
      `import { Disk } from "./machine-host.ts";`,
      "agent/src/machine-host.ts",
    ],
    ["agent/src/steps/prove.ts", `import "../adapters.ts";`, "import agent/src/adapters.ts"],
    ["agent/src/nix/copy.ts", `import "@connectrpc/connect";`, "@connectrpc/connect"],
    ["cli/src/publish/changes.ts", `import "node:fs/promises";`, "node:fs/promises"],
    ["e2e/src/device.ts", `import "../demo/main.ts";`, "import e2e/demo/main.ts"],
    ["somewhere/new.ts", "", "is in no row"],
  ])("%s: %s", (path, text, complaint) => {
    expect(judge(path, text)).toContainEqual(expect.stringContaining(complaint));
  });

  it("but not in comments, strings, or dates that are given", () => {
    const text = `// Date.now()\nexport const a = "process.env"; export const b = new Date(0);`;
    expect(judge("proto/src/gate.ts", text)).toEqual([]);
  });
});

/** Both as Kysely writes them and as SQL does. */
const TABLE_WRITE =
  /(?:(?:insertInto|updateTable|deleteFrom|mergeInto)\(\s*"|(?:insert into|update|delete from)\s+"?)(\w+)/g;

function tableWrites(path: string): { table: string; by: string }[] {
  return [...readFileSync(path, "utf8").matchAll(TABLE_WRITE)].map(([, table]) => ({
    table: table!,
    by: dirname(path),
  }));
}

function judge(path: string, text: string): string[] {
  return complaints(allowedImports, path, sourceFacts(path, text));
}
