/** The machine as README prints it. Pure: from the table and nothing else. */
import { resumption, table } from "./machine.ts";
import type { StateName } from "./states.ts";
import { sentences } from "./states.ts";

const names = Object.keys(sentences) as StateName[];

/** The transitions as a mermaid state diagram, those between the same two states on one arrow. */
export function printDiagram(): string {
  const arrows = new Map<string, string[]>();
  for (const [from, on, when, to, ends] of table) {
    const arrow = `${from} --> ${to}`;
    const condition = when === "" ? "" : ` [${when}]`;
    const ending = ends === "" || ends === "recorded" ? "" : ` / ${ends}`;
    arrows.set(arrow, [...(arrows.get(arrow) ?? []), `${on}${condition}${ending}`]);
  }
  const lines = [...arrows].map(([arrow, labels]) => `  ${arrow} : ${labels.join("<br>")}`);
  return ["```mermaid", "stateDiagram-v2", "  [*] --> idle", ...lines, "```"].join("\n");
}

/** States with their sentences and where each goes on. */
export function printStates(): string {
  const rows = names.map((name) => {
    const { sameBoot, afterReboot } = resumption[name];
    return `| ${name} | ${sentences[name]} | ${sameBoot} | ${afterReboot} |`;
  });
  return [
    "| state | what it does | after a crash, same boot | after a reboot |",
    "|---|---|---|---|",
    ...rows,
  ].join("\n");
}

/** The README with its two blocks replaced. */
export function withMachine(readme: string): string {
  return withBlock(withBlock(readme, "states", printStates()), "machine", printDiagram());
}

function withBlock(text: string, name: string, block: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`no block ${name}`);
  return `${text.slice(0, from + begin.length)}\n${block}\n${text.slice(to)}`;
}
