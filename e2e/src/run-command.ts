import { HarnessError } from "./harness-error.ts";
import { ProcessHandle, type SpawnOptions } from "./process-handle.ts";

export type CommandResult = {
  /** Exit code; 128 + signal number does not happen here: a killed process has `null`. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The time limit ended it. */
  readonly timedOut: boolean;
};

export type CommandOptions = SpawnOptions & {
  /** Default 60 s. Then the process group gets SIGKILL. */
  readonly timeoutMs?: number;
};

/** Runs a command to its end within its limits. Any exit code is a result. */
export async function runCommand(
  argv: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return await finish(await ProcessHandle.start(argv, options), options.timeoutMs);
}

/** Waits for a started process within a time limit. */
export async function finish(running: ProcessHandle, timeoutMs = 60_000): Promise<CommandResult> {
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    running.kill("SIGKILL");
    running.killGroup("SIGKILL");
  }, timeoutMs);
  try {
    const { code, signal } = await running.exited;
    return { code, signal, stdout: running.stdout(), stderr: running.stderr(), timedOut };
  } finally {
    clearTimeout(timer);
  }
}

/** Trimmed stdout of a command that must succeed; HarnessError "command" with its stderr otherwise. */
export function expectSuccess(argv: readonly string[], result: CommandResult): string {
  if (result.code === 0) return result.stdout.trim();
  const end = result.timedOut ? "its time limit" : (result.signal ?? `exit code ${result.code}`);
  throw new HarnessError(
    "command",
    `${argv.join(" ")} ended with ${end}: ${result.stderr.slice(-4000)}${result.stdout.slice(-1000)}`,
  );
}
