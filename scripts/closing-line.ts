import { writeFileSync } from "node:fs";

import type { SerializedError } from "vitest";
import type { Reporter, TestCase, TestModule, TestRunEndReason, Vitest } from "vitest/node";

import type { Tally } from "./tally.ts";
import { closingLine, isGood } from "./tally.ts";

/**
 * Prints why each skipped test was skipped and, over all projects, how many passed and failed.
 *
 * A test skipped without a reason fails the run: `context.skip("why")` gives one. A run in which
 * nothing was tried, and one whose workers do not end, fail as well. With the environment variable
 * NIX_OTA_TALLY the counts are written as JSON to the file it names, and the closing line is left
 * to the reader of that file.
 */
export class ClosingLine implements Reporter {
  #filtered = false;

  onInit(vitest: Vitest): void {
    this.#filtered = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(
    modules: readonly TestModule[],
    errors: readonly SerializedError[],
    reason: TestRunEndReason,
  ): void {
    const tally = { passed: 0, failed: errors.length, skipped: 0 };
    for (const module of modules) this.#count(module, tally);
    // An interrupted run has tried less than it should have.
    if (reason === "interrupted") tally.failed += 1;
    if (!isGood(tally)) process.exitCode = 1;
    const file = process.env["NIX_OTA_TALLY"];
    if (file === undefined) console.log(closingLine(tally));
    else writeFileSync(file, JSON.stringify(tally));
  }

  /** A worker outlived the tests by `teardownTimeout`: something was left open. */
  onProcessTimeout(): void {
    console.error("a worker did not end: a test left a handle open");
    process.exitCode = 1;
  }

  #count(module: TestModule, tally: Tally): void {
    const suites = [...module.children.allSuites()];
    tally.failed += [module, ...suites].filter((holder) => holder.errors().length > 0).length;
    for (const test of module.children.allTests()) {
      const result = test.result();
      if (result.state === "passed") tally.passed += 1;
      else if (result.state === "failed") tally.failed += 1;
      else if (result.state === "skipped" && result.note !== undefined) {
        console.log(`skipped: ${test.fullName}: ${result.note}`);
        tally.skipped += 1;
      } else if (!this.#filtered && !isUnderFailure(test)) {
        console.error(`not run, and no reason given: ${module.relativeModuleId}: ${test.fullName}`);
        tally.failed += 1;
      }
    }
  }
}

/** A test whose suite could not be set up: the suite's failure is counted already. */
function isUnderFailure(test: TestCase): boolean {
  for (let holder = test.parent; ; holder = holder.parent) {
    if (holder.errors().length > 0) return true;
    if (holder.type === "module") return false;
  }
}
