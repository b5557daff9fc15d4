import { run } from "./command.ts";
import type { Tally } from "./tally.ts";

/** A check that reads the tree and runs none of its code. Its commands run in order. */
type Step = { name: string; commands: readonly (readonly string[])[] };

const LIMIT_MS = 120_000;
const BUF_FORMAT = [
  "buf",
  "format",
  "--diff",
  "--exit-code",
  "proto",
  "--exclude-path",
  "proto/buf",
];

const STEPS: readonly Step[] = [
  { name: "format", commands: [["oxfmt", "--check"]] },
  { name: "lint", commands: [["oxlint", "--type-aware"]] },
  // TypeScript 7 by its path: the name `tsc` belongs to the version that tools still need.
  { name: "types", commands: [["node", "node_modules/@typescript/native/bin/tsc", "-p", "."]] },
  {
    name: "contract",
    commands: [
      ["node", "scripts/vendor-validate.ts", "proto"],
      ["buf", "lint"],
      BUF_FORMAT,
      ["buf", "breaking", "--against", "proto/baseline.binpb"],
      ["node", "scripts/generated.ts"],
    ],
  },
  { name: "unused", commands: [["knip"]] },
];

/**
 * Runs every step, one after the other, and prints a line for each, with what it said when it
 * failed. A step that fails does not keep the others from being tried.
 */
export async function runSteps(): Promise<Tally> {
  const tally = { passed: 0, failed: 0, skipped: 0 };
  for (const { name, commands } of STEPS) {
    const started = performance.now();
    const complaint = await firstComplaint(commands);
    report(name, complaint === undefined, performance.now() - started);
    if (complaint === undefined) tally.passed += 1;
    else {
      console.log(complaint);
      tally.failed += 1;
    }
  }
  return tally;
}

/** One line for one check: its name, how it ended, and how long it took. */
export function report(name: string, ok: boolean, ms: number): void {
  console.log(`${name.padEnd(12)}${(ok ? "ok" : "FAILED").padEnd(8)}${(ms / 1000).toFixed(1)} s`);
}

async function firstComplaint(commands: Step["commands"]): Promise<string | undefined> {
  for (const command of commands) {
    const ending = await run(command, { limitMs: LIMIT_MS });
    if (!ending.ok) return ending.output;
  }
  return undefined;
}
