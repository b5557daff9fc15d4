import { spawn } from "node:child_process";

import type { Clock } from "../ports/clock.ts";
import type { Disk } from "../ports/disk.ts";
import { isLocked } from "../process/file-lock.ts";
import { killMarked, sessionRuns, signalSession } from "../process/process-group.ts";
import type { Runner } from "./runner.ts";

export interface ProcessRunnerSettings {
  readonly graceMs: number;
  readonly watchMs: number;
}

/**
 * Programs in sessions of their own, for machines without systemd. The agent's death does not touch
 * them; another agent finds one by the lock that its wrapper holds and the session that it names.
 *
 * @param directory where wrappers keep their files.
 */
export function processRunner(
  disk: Disk,
  clock: Clock,
  directory: string,
  environment: Readonly<Record<string, string>>,
  settings: ProcessRunnerSettings,
): Runner {
  /** Those that this process started: one that was started just before does not hold its lock yet. */
  const own = new Set<string>();

  return {
    async start({ name, argv: [program, ...argv] }) {
      if (own.has(name)) return;
      const child = spawn(program, argv, {
        cwd: "/",
        env: { ...environment, NIX_OTA_RUN: name },
        detached: true,
        stdio: "ignore",
      });
      own.add(name);
      const over = () => void own.delete(name);
      child.once("exit", over);
      child.once("error", over);
      child.unref();
    },
    runs: async (name, signal) =>
      own.has(name) || (await isLocked(`${directory}/${name}.lock`, environment, signal)),
    async end(name, signal) {
      const bytes = await disk.read(`${directory}/${name}.started`, 32);
      const id = bytes === undefined ? 0 : Number(new TextDecoder().decode(bytes).trim());
      // The wrapper itself hangs, before it could say which session it is: all of it is the run's.
      if (!Number.isInteger(id) || id <= 1) {
        await killMarked(`NIX_OTA_RUN=${name}`);
        return;
      }
      const session = { id, marker: `NIX_OTA_RUN=${name}` };
      for (const request of ["SIGTERM", "SIGKILL"] as const) {
        await signalSession(session, request);
        const deadline = clock.monotonicMs() + settings.graceMs;
        while (clock.monotonicMs() < deadline) {
          if (!(await sessionRuns(session))) return;
          await clock.sleep(settings.watchMs, signal);
        }
      }
    },
  };
}
