// npm run e2e:faults: the whole fault matrix on real devices, one line a case. Arguments choose cases
// by words of their names; only a run of all writes the matrix into agent/README.md.
import { Bench, type Lane } from "./bench.ts";
import { allCases, type Case } from "./cases.ts";
import { runCase } from "./run-case.ts";

const WIDTH = 2;

const words = process.argv.slice(2);
const cases = allCases().filter(({ name, fault }) =>
  words.every((word) => name.includes(word) || fault === word),
);
await using bench = await Bench.open(WIDTH);
const left = [...cases];
let failed = 0;
await Promise.all(bench.lanes.map(work));
console.log(`${cases.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

async function work(lane: Lane): Promise<void> {
  for (let one = left.shift(); one !== undefined; one = left.shift()) await tryOne(lane, one);
}

async function tryOne(lane: Lane, one: Case): Promise<void> {
  const started = performance.now();
  const { outcomes, complaints, log } = await runCase(bench, lane, one);
  const took = ((performance.now() - started) / 1000).toFixed(1);
  const verdict = complaints.length === 0 ? "ok    " : "FAILED";
  console.log(`${verdict} ${took.padStart(5)} s  ${one.name}: ${outcomes.join(", ")}`);
  if (complaints.length === 0) return;
  failed += 1;
  for (const complaint of complaints) console.log(`         ${complaint}`);
  console.log(log.slice(-6000));
}
