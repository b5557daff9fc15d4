import type { Row } from "./allowed-imports.ts";

/** The table as Markdown: one line a row, in the order in which rows are tried. */
export function printed(table: readonly Row[]): string {
  const lines = table.map(
    ({ files, imports, packages, reaches }) =>
      `| ${[code([files]), code(imports), code(packages), (reaches ?? []).join(", ")].join(" | ")} |`,
  );
  return [
    "| files | import files of | import packages | reach for |",
    "|---|---|---|---|",
    ...lines,
  ].join("\n");
}

function code(patterns: readonly string[]): string {
  return patterns.map((pattern) => `\`${pattern.replaceAll("|", "\\|")}\``).join(" ");
}
