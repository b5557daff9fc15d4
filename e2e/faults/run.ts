// npm run e2e:faults: the whole fault matrix on real devices, one line a case. Arguments choose cases
// by the fault's name or by words of theirs; only a run of all writes the matrix into agent/README.md.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { Bench, type Lane } from "./bench.ts";
import { allCases, type Case } from "./cases.ts";
import { withMatrix } from "./matrix.ts";
import { runCase } from "./run-case.ts";

const WIDTH = 2;
const README = join(import.meta.dirname, "../../agent/README.md");

const words = process.argv.slice(2);
const cases = allCases().filter(({ name, fault }) =>
  words.every((word) => name.includes(word) || fault === word),
);
const outcomes = new Map<string, readonly string[]>();
let failed = 0;
let interrupted = false;
process.once("SIGINT", () => (interrupted = true));
process.once("SIGTERM", () => (interrupted = true));

{
  await using bench = await Bench.open(WIDTH);
  const left = [...cases];
  const work = async (lane: Lane) => {
    for (let one = left.shift(); one !== undefined && !interrupted; one = left.shift())
      await tryOne(bench, lane, one);
  };
  await Promise.all(bench.lanes.map(work));
}
const whole = words.length === 0 && outcomes.size === cases.length;
if (whole && failed === 0) {
  const document = withMatrix(
    await readFile(README, "utf8"),
    (...cell) => outcomes.get(cell.join(" ")) ?? [],
  );
  await writeFile(README, document);
}
console.log(`${outcomes.size - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 && outcomes.size === cases.length ? 0 : 1;

async function tryOne(bench: Bench, lane: Lane, one: Case): Promise<void> {
  const started = performance.now();
  const result = await runCase(bench, lane, one);
  const { complaints, log } = result;
  outcomes.set([one.fault, one.state, one.order].join(" "), result.outcomes);
  const took = ((performance.now() - started) / 1000).toFixed(1).padStart(5);
  const verdict = complaints.length === 0 ? "ok    " : "FAILED";
  console.log(`${verdict} ${took} s  ${one.name}: ${result.outcomes.join(", ")}`);
  if (complaints.length === 0) return;
  failed += 1;
  for (const complaint of complaints) console.log(`         ${complaint}`);
  console.log(log.slice(-6000));
}
