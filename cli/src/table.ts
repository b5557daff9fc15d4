import { stripVTControlCharacters } from "node:util";

/** A column of a table for people. */
export interface Column {
  title: string;
  align?: "left" | "right";
  /** Left out where the terminal is too narrow for all, the highest number first. Default: kept. */
  spare?: number;
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
  allColumns: readonly Column[],
  allRows: readonly Row[],
  { emphasise = (title) => title, maxWidth }: TableStyle = {},
): string {
  const { columns, rows } = narrowed(allColumns, allRows, maxWidth);
  const widths = widthsOf(columns, rows);
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

function widthsOf(columns: readonly Column[], rows: readonly Row[]): number[] {
  return columns.map((column, index) =>
    Math.max(width(column.title), ...rows.map((row) => width(row[index] ?? ""))),
  );
}

/** The table without spare columns, as far as it has to do without them. */
function narrowed(
  columns: readonly Column[],
  rows: readonly Row[],
  maxWidth: number | undefined,
): { columns: readonly Column[]; rows: readonly Row[] } {
  const widths = widthsOf(columns, rows);
  // The last column is cut before another is given up, but not to a sliver.
  const last = Math.min(widths.at(-1) ?? 0, LEAST_CUT_WIDTH);
  const needed = widths.slice(0, -1).reduce((sum, one) => sum + one + 2, last);
  const spares = columns.map(({ spare }) => spare ?? 0);
  const most = Math.max(0, ...spares);
  if (most === 0 || needed <= (maxWidth ?? Number.POSITIVE_INFINITY)) return { columns, rows };
  const gone = spares.indexOf(most);
  return narrowed(
    columns.toSpliced(gone, 1),
    rows.map((row) => row.toSpliced(gone, 1)),
    maxWidth,
  );
}

/**
 * `name  value` lines with the values aligned, also those of several lines. Empty ones are left out.
 *
 * @param maxWidth Columns of the terminal, into which sentences are broken. Undefined: no limit.
 */
export function renderFields(
  fields: ReadonlyArray<readonly [name: string, value: string]>,
  emphasise: (name: string) => string = (name) => name,
  maxWidth: number = Number.POSITIVE_INFINITY,
): string {
  const shown = fields.filter(([, value]) => value !== "");
  const nameWidth = Math.max(0, ...shown.map(([name]) => name.length));
  const margin = " ".repeat(nameWidth + 2);
  return shown
    .map(([name, value]) => {
      const aligned = breakLines(value, maxWidth - margin.length).replaceAll("\n", `\n${margin}`);
      return `${emphasise(name.padEnd(nameWidth))}  ${aligned}`;
    })
    .join("\n");
}

/** Breaks lines at blanks; a word that is longer than a line, as a store path is, stays whole. */
export function breakLines(text: string, room: number): string {
  if (room < LEAST_CUT_WIDTH) return text;
  const lines = text.split("\n").flatMap((line) => {
    const parts: string[] = [];
    for (const word of line.split(" ")) {
      const last = parts.at(-1);
      if (last === undefined || width(last) + 1 + width(word) > room) parts.push(word);
      else parts[parts.length - 1] = `${last} ${word}`;
    }
    return parts;
  });
  return lines.join("\n");
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
