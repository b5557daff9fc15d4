import { stripVTControlCharacters } from "node:util";

/** A column of a table for people. */
export interface Column {
  title: string;
  align?: "left" | "right";
}

/** Cells may carry colour; everything else in them must be safe to print. */
export type Row = readonly string[];

/**
 * Aligns rows under their titles, two blanks between columns. The last column is not padded, so
 * lines end with text. Titles go through `emphasise` after padding.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly Row[],
  emphasise: (title: string) => string = (title) => title,
): string {
  const widths = columns.map((column, index) =>
    Math.max(width(column.title), ...rows.map((row) => width(row[index] ?? ""))),
  );
  const line = (cells: Row): string =>
    columns
      .map((column, index) => {
        const last = index === columns.length - 1;
        return pad(cells[index] ?? "", widths[index] ?? 0, column.align ?? "left", last);
      })
      .join("  ")
      .trimEnd();
  return [emphasise(line(columns.map((column) => column.title))), ...rows.map(line)].join("\n");
}

/** `name  value` lines with the values aligned, also those of several lines. Empty ones are left out. */
export function renderFields(
  fields: ReadonlyArray<readonly [name: string, value: string]>,
  emphasise: (name: string) => string = (name) => name,
): string {
  const shown = fields.filter(([, value]) => value !== "");
  const nameWidth = Math.max(0, ...shown.map(([name]) => name.length));
  const margin = " ".repeat(nameWidth + 2);
  return shown
    .map(([name, value]) => {
      const aligned = value.replaceAll("\n", `\n${margin}`);
      return `${emphasise(name.padEnd(nameWidth))}  ${aligned}`;
    })
    .join("\n");
}

function pad(cell: string, toWidth: number, align: "left" | "right", last: boolean): string {
  const blanks = " ".repeat(Math.max(0, toWidth - width(cell)));
  if (align === "right") return blanks + cell;
  return last ? cell : cell + blanks;
}

function width(cell: string): number {
  return [...stripVTControlCharacters(cell)].length;
}
