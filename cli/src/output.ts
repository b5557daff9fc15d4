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
  /** What is going on; silent with --quiet. */
  note(text: string): void;
  warn(text: string): void;
  /** What a person has to see before answering a question. */
  show(text: string): void;
  /** Colours for stdout: the text itself unless a terminal shows it. */
  paint(format: Format, text: string): string;
  /** How tables look on stdout. */
  tableStyle(): TableStyle;
  /** Colours for stderr. */
  paintNote(format: Format, text: string): string;
}

export function createOutput(host: Host, wishes: { json: boolean; quiet: boolean }): Output {
  const painter = (sink: Sink) => (format: Format, text: string) =>
    coloured(host, sink) ? styleText(format, text, { validateStream: false }) : text;
  const paint = painter(host.stdout);
  const paintNote = painter(host.stderr);
  return {
    json: wishes.json,
    result(document, people) {
      host.stdout.write(`${wishes.json ? safeJson(document) : people()}\n`);
    },
    note(text) {
      if (!wishes.quiet) host.stderr.write(`${text}\n`);
    },
    show(text) {
      host.stderr.write(`${text}\n`);
    },
    warn(text) {
      host.stderr.write(`${paintNote("yellow", "warning:")} ${text}\n`);
    },
    paint,
    tableStyle: () => ({
      emphasise: (title) => paint("dim", title),
      maxWidth: host.stdout.isTerminal ? host.stdout.columns : undefined,
    }),
    paintNote,
  };
}

/** https://no-color.org: set and not empty means no colour. */
function coloured(host: Host, sink: Sink): boolean {
  return sink.isTerminal && !host.env["NO_COLOR"] && host.env["TERM"] !== "dumb";
}
