// npm test: the checks, then every test there is. Each check counts as one test. Arguments go to
// vitest, so that `npm test -- e2e/rollback` runs the checks and the tests of those files.
import { runSteps } from "./steps.ts";
import { add, closingLine, isGood } from "./tally.ts";
import { runTests } from "./tests.ts";

const LIMIT_MS = 45 * 60_000;

const steps = await runSteps();
const tests = await runTests(process.argv.slice(2), { limitMs: LIMIT_MS, passThrough: true });
const all = add(steps, tests.tally);
console.log(closingLine(all));
process.exitCode = isGood(steps) && isGood(tests.tally) ? 0 : 1;
