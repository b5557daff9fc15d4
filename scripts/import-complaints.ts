import { matchesGlob } from "node:path";

import type { Row } from "./allowed-imports.ts";
import type { SourceFacts } from "./source-facts.ts";

/** The first row whose `files` match decides; a file that none matches has no place. */
export function rowOf(table: readonly Row[], path: string): Row | undefined {
  return table.find(({ files }) => matchesGlob(path, files));
}

/** One sentence for every way in which a file breaks the table. */
export function complaints(table: readonly Row[], path: string, facts: SourceFacts): string[] {
  const row = rowOf(table, path);
  if (row === undefined) return [`${path} is in no row: put it in its place or give it a row`];
  const by = `(row ${row.files})`;
  return [
    ...facts.files
      .filter((target) => !row.imports.some((glob) => matchesGlob(target, glob)))
      .map((target) => `${path} may not import ${target} ${by}`),
    ...facts.packages
      .filter((specifier) => !row.packages.some((pattern) => isOf(specifier, pattern)))
      .map((specifier) => `${path} may not import ${specifier} ${by}`),
    ...facts.reaches
      .filter((reach) => !row.reaches?.includes(reach))
      .map((reach) => `${path} may not reach for the ${reach} ${by}`),
  ];
}

/** `node:*` and `@scope/*` stand for all that begins so, any other pattern for a whole package. */
function isOf(specifier: string, pattern: string): boolean {
  if (pattern === "*") return true;
  if (pattern.endsWith("*")) return specifier.startsWith(pattern.slice(0, -1));
  return specifier === pattern || specifier.startsWith(`${pattern}/`);
}
