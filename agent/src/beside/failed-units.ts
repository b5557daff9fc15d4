import { runCommand } from "../process/run-command.ts";

/** Most failed units told apart; a system with more is not judged by their number. */
const MAX_UNITS = 1000;

/** Units that failed, as a command prints them, one a line, name first; undefined: it cannot tell. */
export async function failedUnits(
  command: string,
  environment: Readonly<Record<string, string>>,
  limitMs: number,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const { how, code, stdout } = await runCommand(
    {
      argv: ["sh", "-c", `${command}\n`],
      environment,
      limitMs,
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
}
