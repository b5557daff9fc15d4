import type { Health } from "../ports/health.ts";
import { killMarked } from "../process/process-group.ts";
import { runCommand } from "../process/run-command.ts";
import { failedUnits } from "./failed-units.ts";
import { failed, passedOrNot } from "./health-result.ts";

/**
 * Health checks as sessions of their own, for machines without systemd.
 *
 * @param mark tells this device's checks from those of others on the machine.
 */
export function processHealth(
  environment: Readonly<Record<string, string>>,
  mark: string,
  failedUnitsCmd: string,
  { runMs }: { readonly runMs: number },
): Health {
  let swept = false;
  return {
    async check(command, added, signal) {
      // The kernel ends the check of an agent that died, but not what the check had started.
      if (!swept) await killMarked(`NIX_OTA_CHECK=${mark}`);
      swept = true;
      // The session is killed afterwards: a check that leaves processes behind would leak at each run.
      // Its output may hold secrets: it goes nowhere, only how it ended is told.
      const { how, code } = await runCommand(
        {
          argv: ["sh", "-c", `exec >&2\n${command}\n`],
          environment: { ...environment, ...added, NIX_OTA_CHECK: mark },
          limitMs: runMs,
          outputLimitBytes: 0,
          tailBytes: 0,
          graceMs: 1000,
          killStrays: true,
        },
        signal,
      );
      signal.throwIfAborted();
      if (how === "timed out") return failed(`did not end within ${runMs / 1000} s`);
      return how === "killed" ? failed("was killed") : passedOrNot(code);
    },
    failedUnits: async (signal) => await failedUnits(failedUnitsCmd, environment, runMs, signal),
  };
}
