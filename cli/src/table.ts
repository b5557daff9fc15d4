import { stripVTControlCharacters } from "node:util";

/** A column of a table for people. */
export interface Column {
  title: string;
  align?: "left" | "right";
}

/** Cells may carry colour; everything else in them must be safe to print. */
export type Row = readonly string[];

/** How a table looks where it is printed. */
export interface TableStyle {
  /** Makes titles stand out; called after padding. */
  emphasise?: (title: string) => string;
  /** Columns of the terminal, to which the last cell of a line is cut. Undefined: no limit. */
  maxWidth?: number | undefined;
}

/** A last column narrower than this is not worth cutting to; the terminal wraps it instead. */
const LEAST_CUT_WIDTH = 16;

/**
 * Aligns rows under their titles, two blanks between columns. The last column is not padded, so
 * lines end with text.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly Row[],
  { emphasise = (title) => title, maxWidth }: TableStyle = {},
): string {
  const widths = columns.map((column, index) =>
    Math.max(width(column.title), ...rows.map((row) => width(row[index] ?? ""))),
  );
  const before = widths.slice(0, -1).reduce((sum, one) => sum + one + 2, 0);
  const room = Math.max(LEAST_CUT_WIDTH, (maxWidth ?? Number.POSITIVE_INFINITY) - before);
  const line = (cells: Row): string =>
    columns
      .map((column, index) => {
        const cell = cells[index] ?? "";
        if (index === columns.length - 1 && column.align !== "right") return cut(cell, room);
        return pad(cell, widths[index] ?? 0, column.align ?? "left");
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

function pad(cell: string, toWidth: number, align: "left" | "right"): string {
  const blanks = " ".repeat(Math.max(0, toWidth - width(cell)));
  return align === "right" ? blanks + cell : cell + blanks;
}

/** Painted cells stay whole: a cut could lose the sequence that ends the colour. */
function cut(cell: string, room: number): string {
  if (width(cell) <= room || stripVTControlCharacters(cell) !== cell) return cell;
  return `${[...cell].slice(0, room - 1).join("")}…`;
}

function width(cell: string): number {
  return [...stripVTControlCharacters(cell)].length;
}
