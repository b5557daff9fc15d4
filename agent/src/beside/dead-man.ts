import type { DeadMan } from "../ports/activation.ts";
import type { Disk } from "../ports/disk.ts";
import { runCommand } from "../process/run-command.ts";
import type { Alarm } from "./alarm.ts";

/** What the alarm runs. */
export interface DeadManProgram {
  /** The agent that runs: where the system to return to has none. */
  readonly running: readonly [string, ...string[]];
  /** Configuration of the running agent: a store path that the way back holds, or a file that stays. */
  readonly configFile: string;
}

const MARKER = "dead-man";

/** A program that needs longer than that to tell its version is no help in trouble. */
const START_MS = 20_000;

/**
 * The dead-man over an alarm. A file says that one may be set: most starts of an agent find none and
 * need not ask the system.
 */
export function deadManBeside(
  alarm: Alarm,
  disk: Disk,
  stateDir: string,
  environment: Readonly<Record<string, string>>,
  program: DeadManProgram,
): DeadMan {
  const marker = `${stateDir}/${MARKER}`;
  return {
    async arm({ attemptId, prev, afterMs }, signal) {
      await disk.writeDurably(stateDir, MARKER, new TextEncoder().encode(`${attemptId}\n`), 0o600);
      await alarm.clear(signal);
      const argv = ["dead-man", "--attempt", attemptId, "--config", program.configFile];
      const [first, ...others] = await programOf(prev, program.running, environment, signal);
      return await alarm.set(attemptId, [first, ...others, ...argv], afterMs, signal);
    },
    armed: async (attemptId, signal) =>
      (await disk.read(marker, 1024)) !== undefined && (await alarm.isSet(attemptId, signal)),
    async drop(signal) {
      if ((await disk.read(marker, 1024)) === undefined) return;
      await alarm.clear(signal);
      await disk.remove(marker);
    },
  };
}

/** The agent of the system to return to: the one that is known to work, if it still starts. */
async function programOf(
  prev: string,
  running: DeadManProgram["running"],
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<DeadManProgram["running"]> {
  const file = `${prev}/sw/bin/nix-ota-agent`;
  const { how, code } = await runCommand(
    { argv: [file, "--version"], environment, limitMs: START_MS, outputLimitBytes: 1024 },
    signal,
  );
  signal.throwIfAborted();
  // The factory's system had no agent, or its disk lost a part of it: the one that runs is as good.
  return how === "exited" && code === 0 ? [file] : running;
}
