import type { Health } from "./ports.ts";
import { runCommand } from "./process/run-command.ts";

/** Most failed units told apart; a system with more is not judged by their number. */
const MAX_UNITS = 1000;

export function shellHealth(
  environment: Readonly<Record<string, string>>,
  failedUnitsCmd: string,
  settings: { readonly runMs: number },
): Health {
  return {
    async check(command, added, signal) {
      // The session is killed afterwards: a check that leaves processes behind would leak at each run.
      // Its output may hold secrets: it goes nowhere, only how it ended is told.
      const { how, code } = await runCommand(
        {
          argv: ["sh", "-c", `exec >&2\n${command}\n`],
          environment: { ...environment, ...added },
          limitMs: settings.runMs,
          outputLimitBytes: 0,
          tailBytes: 0,
          graceMs: 1000,
          killStrays: true,
        },
        signal,
      );
      signal.throwIfAborted();
      if (how === "exited" && code === 0) return { health: "passed" };
      if (how === "timed out")
        return { health: "failed", detail: `did not end within ${settings.runMs / 1000} s` };
      // The shell's words for a program that is not there or cannot be executed.
      if (how === "not started" || code === 126)
        return { health: "not run", detail: `could not be run` };
      return { health: "failed", detail: `ended with status ${code}` };
    },
    async failedUnits(signal) {
      const { how, code, stdout } = await runCommand(
        {
          argv: ["sh", "-c", `${failedUnitsCmd}\n`],
          environment,
          limitMs: settings.runMs,
          outputLimitBytes: 256 * 1024,
          killStrays: true,
        },
        signal,
      );
      signal.throwIfAborted();
      if (how !== "exited" || code !== 0) return undefined;
      const units = stdout.split("\n").flatMap((line) => line.trim().split(/\s+/)[0] ?? []);
      return units
        .filter((unit) => unit !== "")
        .slice(0, MAX_UNITS)
        .toSorted();
    },
  };
}
