// npm run check: everything that needs neither nix nor a database, in under a minute. The unit
// tests run beside the steps, since each leaves the other a core.
import { report, runSteps } from "./steps.ts";
import { add, closingLine, isGood } from "./tally.ts";
import { runTests } from "./tests.ts";

const LIMIT_MS = 300_000;

const [steps, tests] = await Promise.all([
  runSteps(),
  runTests(["--project", "unit"], { limitMs: LIMIT_MS, passThrough: false }),
]);
report("unit tests", isGood(tests.tally), tests.ending.ms);
if (!isGood(tests.tally)) console.log(tests.ending.output);
const all = add(steps, tests.tally);
console.log(closingLine(all));
process.exitCode = isGood(all) ? 0 : 1;
