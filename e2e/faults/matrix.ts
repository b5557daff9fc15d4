/** The matrix as agent/README.md prints it, and whether what stands there fits the table. Pure. */
import { expectation, isReason } from "./cases.ts";
import { faults, type FaultName } from "./faults.ts";
import type { Where } from "./invariants.ts";
import { type FaultState, ORDERS, type Order, reasons, STATES, table } from "./table.ts";

const BEGIN = "<!-- faults -->\n";
const END = "<!-- /faults -->";

/** No attempt of the case has an end: its only record was lost, as may be where the journal is. */
const NO_END = "no end";

/** How the attempts of a case ended, oldest first. */
export type OutcomesOf = (fault: FaultName, state: FaultState, order: Order) => readonly string[];

/** A document with the matrix between its markers. */
export function withMatrix(document: string, outcomesOf: OutcomesOf): string {
  const [before, rest] = split(document, BEGIN);
  const [, after] = split(rest, END);
  return `${before}${BEGIN}${printed(outcomesOf)}${END}${after}`;
}

function printed(outcomesOf: OutcomesOf): string {
  const head = ["fault", ...STATES];
  const rows = table.map(([fault]) => [
    faults[fault].says,
    ...STATES.map((state) => {
      const texts = ORDERS.map((order) => {
        const said = expectation(fault, state, order);
        return isReason(said)
          ? `*${said.slice(1)}*`
          : outcomesOf(fault, state, order).join(", ") || NO_END;
      });
      return new Set(texts).size === 1 ? texts[0] : texts.join(" / ");
    }),
  ]);
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  const legend = Object.entries(reasons).map(([reason, text]) => `*${reason.slice(1)}*: ${text}`);
  return `${lines.join("\n")}\n\n${legend.join(" · ")}\n`;
}

/** What does not fit the table, as sentences; empty: all does. */
export function misfits(document: string): string[] {
  const [, rest] = split(document, BEGIN);
  const [block] = split(rest, END);
  const [, , ...lines] = block.split("\n").filter((line) => line.startsWith("| "));
  const rows = lines.map((line) => line.slice(2, -2).split(" | "));
  const complaints = table.flatMap(([fault], at) => {
    const [says, ...cells] = rows[at] ?? [];
    if (says !== faults[fault].says) return [`row ${at + 1} is not about ${fault}`];
    return STATES.flatMap((state, column) => {
      const texts = (cells[column] ?? "").split(" / ");
      return ORDERS.flatMap((order, which) => {
        const said = expectation(fault, state, order);
        const text = texts[which] ?? texts.at(-1) ?? "";
        return fits(said, text) || (fault === "journalLost" && text === NO_END)
          ? []
          : [`${fault} in ${state}, ${order}: ${text} is not ${said}`];
      });
    });
  });
  return rows.length === table.length
    ? complaints
    : [...complaints, "rows are missing or left over"];
}

function fits(said: ReturnType<typeof expectation>, text: string): boolean {
  if (isReason(said)) return text === `*${said.slice(1)}*`;
  return lastOutcomes[said].includes(text.split(", ").at(-1) ?? "");
}

/** How the last attempt of a device that rests there has ended. */
const lastOutcomes: Record<Where, readonly string[]> = {
  new: ["applied"],
  previous: ["rolled_back", "failed", "rejected", "interrupted"],
  // What was applied before somebody switched stays applied.
  "by hand": ["applied", "rolled_back", "failed", "external_change"],
  stuck: ["failed"],
  broken: [],
};

function split(text: string, marker: string): readonly [string, string] {
  const at = text.indexOf(marker);
  if (at < 0) throw new Error(`${marker.trim()} is missing`);
  return [text.slice(0, at), text.slice(at + marker.length)];
}
