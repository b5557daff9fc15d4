import { styleText } from "node:util";

import type { Host, Sink } from "./host.ts";
import type { TableStyle } from "./table.ts";
import { safeJson } from "./terminal-text.ts";

type Format = Parameters<typeof styleText>[0];

/**
 * Where a command's words go. The result goes to stdout, once: text for people, or with `json` one
 * document whose keys stay as they are from version to version. Notes and warnings go to stderr.
 */
export interface Output {
  readonly json: boolean;
  /** The result. `people` is called only when the document is not wanted. */
  result(document: unknown, people: () => string): void;
  /** With --json, something that happened before the result: a document in a line of stdout. */
  event(document: unknown): void;
  /** What is going on; silent with --quiet. */
  note(text: string): void;
  warn(text: string): void;
  /**
   * How far a long step is: one line that the next word of any kind takes the place of. Shown on a
   * terminal only, not with --quiet, and at most ten times a second.
   */
  progress(text: string): void;
  /** What a person has to see before answering a question. */
  show(text: string): void;
  /** Colours for stdout: the text itself unless a terminal shows it. */
  paint(format: Format, text: string): string;
  /** How tables look on stdout. */
  tableStyle(): TableStyle;
  /** Colours for stderr. */
  paintNote(format: Format, text: string): string;
}

/** @param wishes.lines Whether with --json each document is one line, of which there are several. */
export function createOutput(
  host: Host,
  wishes: { json: boolean; quiet: boolean; lines?: boolean },
): Output {
  const painter = (sink: Sink) => (format: Format, text: string) =>
    coloured(host, sink) ? styleText(format, text, { validateStream: false }) : text;
  const paint = painter(host.stdout);
  const paintNote = painter(host.stderr);
  const line = progressLine(host);
  const form = wishes.lines === true ? "line" : "indented";
  const tell = (text: string): void => {
    line.clear();
    host.stderr.write(`${text}\n`);
  };
  return {
    json: wishes.json,
    result(document, people) {
      line.clear();
      host.stdout.write(`${wishes.json ? safeJson(document, form) : people()}\n`);
    },
    event(document) {
      if (wishes.json) host.stdout.write(`${safeJson(document, "line")}\n`);
    },
    note(text) {
      if (!wishes.quiet) tell(text);
    },
    progress(text) {
      if (!wishes.quiet) line.draw(text);
    },
    show: tell,
    warn: (text) => tell(`${paintNote("yellow", "warning:")} ${text}`),
    paint,
    tableStyle: () => ({
      emphasise: (title) => paint("dim", title),
      maxWidth: host.stdout.isTerminal ? host.stdout.columns : undefined,
    }),
    paintNote,
  };
}

/** Between two drawings of a line of progress: more often nobody reads it. */
const REDRAW_MS = 100;

/** What empties the line of stderr that the cursor is on; nothing where that cannot be. */
export function eraseLine({ stderr, env }: Host): string {
  return stderr.isTerminal && env["TERM"] !== "dumb" ? "\r\u001b[2K" : "";
}

/** A line of stderr that is drawn again and again. */
function progressLine(host: Host): { draw(text: string): void; clear(): void } {
  const { stderr, now } = host;
  const erase = eraseLine(host);
  if (erase === "") return { draw() {}, clear() {} };
  let drawnAtMs: number | undefined;
  return {
    draw(text) {
      const nowMs = now();
      if (drawnAtMs !== undefined && nowMs - drawnAtMs < REDRAW_MS) return;
      drawnAtMs = nowMs;
      // A line that wraps could not be erased.
      const room = (stderr.columns ?? 80) - 1;
      stderr.write(`${erase}${[...text].slice(0, room).join("")}`);
    },
    clear() {
      if (drawnAtMs !== undefined) stderr.write(erase);
      drawnAtMs = undefined;
    },
  };
}

/** https://no-color.org: set and not empty means no colour. */
function coloured(host: Host, sink: Sink): boolean {
  return sink.isTerminal && !host.env["NO_COLOR"] && host.env["TERM"] !== "dumb";
}
