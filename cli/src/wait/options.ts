import { CliError } from "../cli-error.ts";
import { parseDuration } from "../duration-argument.ts";
import type { OfflinePolicy } from "./judge.ts";
import type { WaitWishes } from "./wait.ts";

/** How a command line says it is to be waited. */
export interface WaitOptions {
  timeout: string;
  offline: OfflinePolicy;
  offlineAfter: string;
  failures: string;
}

/**
 * Judges them before anything is asked.
 *
 * @throws {CliError} `usage` naming the flag.
 */
export function readWaitOptions(options: WaitOptions): Omit<WaitWishes, "channel" | "revision"> {
  return {
    timeoutMs: parseDuration("--timeout", options.timeout),
    offline: options.offline,
    offlineAfterMs: parseDuration("--offline-after", options.offlineAfter),
    failures: readAllowance(options.failures),
  };
}

function readAllowance(text: string): WaitWishes["failures"] {
  const [, digits, percent] = /^(\d{1,6})(%?)$/u.exec(text) ?? [];
  const count = Number(digits);
  if (digits === undefined || (percent === "%" && count > 100))
    throw new CliError(
      "usage",
      `--failures ${JSON.stringify(text)} is neither a number of devices nor a share such as 5%`,
    );
  return percent === "%" ? { percent: count } : { count };
}
