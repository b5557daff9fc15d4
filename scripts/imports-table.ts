import type { Row } from "./allowed-imports.ts";

const BEGIN = "<!-- allowed-imports:begin -->";
const END = "<!-- allowed-imports:end -->";

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

/**
 * A document with `block` between its two markers.
 *
 * @throws Error when the markers are missing or in the wrong order
 */
export function withBlock(document: string, block: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin === -1 || end < begin)
    throw new Error(`no block for the allowed imports: put ${BEGIN} and ${END} on two lines`);
  return `${document.slice(0, begin + BEGIN.length)}\n${block}\n${document.slice(end)}`;
}

function code(patterns: readonly string[]): string {
  return patterns.map((pattern) => `\`${pattern.replaceAll("|", "\\|")}\``).join(" ");
}
