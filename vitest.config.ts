import { availableParallelism } from "node:os";

import { configDefaults, defineConfig } from "vitest/config";

import { ClosingLine } from "./scripts/closing-line.ts";

const MINUTE = 60_000;

// The groups run one after the other: real devices are not measured against a busy machine.
export default defineConfig({
  test: {
    pool: "forks",
    reporters: ["default", new ClosingLine()],
    setupFiles: ["scripts/leaks.ts"],
    allowOnly: false,
    passWithNoTests: false,
    teardownTimeout: MINUTE / 2,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["{proto,services,agent,cli,e2e,scripts}/**/*.test.ts", "architecture.test.ts"],
          exclude: [...configDefaults.exclude, "**/*.db.test.ts", "**/*.e2e.test.ts"],
          // Rules keep nothing between calls; loading them anew for every file takes longer than the tests.
          isolate: false,
          // One more than there are cores: many of these tests wait for processes that they start.
          maxWorkers: availableParallelism() + 1,
          testTimeout: MINUTE,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "db",
          include: ["**/*.db.test.ts"],
          globalSetup: ["e2e/src/postgres-setup.ts", "services/tests/templates-setup.testkit.ts"],
          testTimeout: MINUTE,
          hookTimeout: 2 * MINUTE,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["e2e/**/*.e2e.test.ts"],
          testTimeout: 4 * MINUTE,
          hookTimeout: 6 * MINUTE,
          maxWorkers: 2,
          // Devices that meet faults spend most of their time waiting.
          maxConcurrency: 3,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
