// npm run e2e:faults: the whole fault matrix on real devices, and crashes at every durable act and at
// random times, one line a case. Arguments choose cases by the fault's name or by words of theirs, all
// crashes by `crash:`; only a run of all writes the matrix into agent/README.md. `--seed N` tries the
// random times of another run again; `--lanes N` does so many cases at a time; `--resume FILE` keeps what
// came of each case there, and does not repeat what passed: the file is good for one state of the code.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { Bench, type Lane } from "./bench.ts";
import { allCases, type Case } from "./cases.ts";
import { withMatrix } from "./matrix.ts";
import { Passed } from "./passed.ts";
import { runCase } from "./run-case.ts";
import { runCrashes } from "./run-crashes.ts";

const README = join(import.meta.dirname, "../../agent/README.md");

const { values, positionals: words } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string", default: `${Math.floor(Math.random() * 2 ** 32)}` },
    lanes: { type: "string", default: "2" },
    resume: { type: "string" },
  },
});
const cases = allCases().filter(({ name, fault }) =>
  words.every((word) => name.includes(word) || fault === word),
);
const passed = await Passed.of(values.resume);
let done = 0;
let failed = 0;
let interrupted = false;
process.once("SIGINT", () => (interrupted = true));
process.once("SIGTERM", () => (interrupted = true));

const left = cases.filter((one) => !passed.has(one));
if (left.length < cases.length) console.log(`${cases.length - left.length} passed before`);
if (left.length > 0) {
  await using bench = await Bench.open(Number(values.lanes));
  const work = async (lane: Lane) => {
    for (let one = left.shift(); one !== undefined && !interrupted; one = left.shift())
      await tryOne(bench, lane, one);
  };
  await Promise.all(bench.lanes.map(work));
}
if (words.length === 0 && cases.every((one) => passed.has(one))) {
  const document = withMatrix(await readFile(README, "utf8"), (...cell) =>
    passed.outcomes(...cell),
  );
  await writeFile(README, document);
}
const crashes = await runCrashes({
  words,
  seed: Number(values.seed),
  stopped: () => interrupted,
  say: (line) => console.log(line),
});
failed += crashes.failed;
console.log(`${done + crashes.passed + crashes.failed - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 && !interrupted ? 0 : 1;

async function tryOne(bench: Bench, lane: Lane, one: Case): Promise<void> {
  const started = performance.now();
  const result = await runCase(bench, lane, one);
  const { complaints, log } = result;
  done += 1;
  const took = ((performance.now() - started) / 1000).toFixed(1).padStart(5);
  const verdict = complaints.length === 0 ? "ok    " : "FAILED";
  console.log(`${verdict} ${took} s  ${one.name}: ${result.outcomes.join(", ")}`);
  if (complaints.length === 0) {
    await passed.add(one, result.outcomes);
    return;
  }
  failed += 1;
  for (const complaint of complaints) console.log(`         ${complaint}`);
  console.log(log.slice(-6000));
}
