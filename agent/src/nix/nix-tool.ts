import { AgentError } from "../agent-error.ts";
import { foreignWords } from "../foreign-words.ts";
import type { Command, Ended } from "../process/run-command.ts";
import { runCommand } from "../process/run-command.ts";

/** Everything nix is told beside what to do. */
export interface NixOptions {
  readonly environment: Readonly<Record<string, string>>;
  /** The only keys whose signatures count, `name:base64`. */
  readonly trustedPublicKeys: readonly string[];
  readonly connectTimeoutS: number;
  readonly stallTimeoutS: number;
  readonly downloadAttempts: number;
  /** Bytes a second that a copy may take; 0: as many as it gets. */
  readonly bytesPerS: number;
  /** Whether a copy fetches one file after the other, so that one at most is lost when it is stopped. */
  readonly oneByOne: boolean;
  /** For commands that move no data. */
  readonly limitMs: number;
  /** For commands that read a whole closure. */
  readonly closureLimitMs: number;
}

export type NixProgram = "nix" | "nix-store" | "nix-env";

export interface NixCall {
  readonly program: NixProgram;
  /** Subcommand and its flags. Paths go into `paths`. */
  readonly arguments: readonly string[];
  /** Caches that may be asked; none by default: a local command must not download. */
  readonly substituters?: readonly string[];
  /** Store paths, after `--`: one that looks like a flag must not be read as one. */
  readonly paths: readonly string[];
  readonly limitMs?: number;
  readonly outputLimitBytes?: number;
  readonly onErrorLine?: Command["onErrorLine"];
  readonly onStart?: Command["onStart"];
  /** Whether it is a copy, and kept to the limits of one. */
  readonly copies?: boolean;
}

export type NixTool = (call: NixCall, signal: AbortSignal) => Promise<Ended>;

/**
 * Calls nix with this device's rules whatever nix.conf says: only its own keys count, nothing is
 * built, and what a cache answered earlier is not remembered (nix keeps "not there" for an hour and
 * an unsigned narinfo for a month).
 */
export function nixTool(options: NixOptions): NixTool {
  return async (call, signal) => {
    const settings = {
      "require-sigs": "true",
      "trusted-public-keys": options.trustedPublicKeys.join(" "),
      substituters: (call.substituters ?? []).join(" "),
      "extra-substituters": "",
      "max-jobs": "0",
      builders: "",
      "narinfo-cache-negative-ttl": "0",
      "narinfo-cache-positive-ttl": "0",
      "connect-timeout": String(options.connectTimeoutS),
      "stalled-download-timeout": String(options.stallTimeoutS),
      "download-attempts": String(options.downloadAttempts),
      ...(call.copies === true ? copySettings(options) : {}),
    };
    const { onErrorLine, onStart } = call;
    return await runCommand(
      {
        argv: [
          call.program,
          ...(call.program === "nix" ? ["--extra-experimental-features", "nix-command"] : []),
          ...call.arguments,
          ...Object.entries(settings).flatMap(([name, value]) => ["--option", name, value]),
          ...(call.paths.length > 0 ? ["--", ...call.paths] : []),
        ],
        environment: options.environment,
        limitMs: call.limitMs ?? options.limitMs,
        outputLimitBytes: call.outputLimitBytes ?? 1024 * 1024,
        tailBytes: 64 * 1024,
        ...(onErrorLine === undefined ? {} : { onErrorLine }),
        ...(onStart === undefined ? {} : { onStart }),
      },
      signal,
    );
  };
}

/** Pauses that keep a rate must not pass for a stall: the agent has a limit of its own for those. */
const PAUSED_TIMEOUT_S = 3600;

function copySettings({ bytesPerS, oneByOne }: NixOptions): Readonly<Record<string, string>> {
  return {
    // nix's own limit is one for each file. nix 2.8 does not know it, and says so.
    ...(bytesPerS > 0
      ? {
          "download-speed": String(Math.max(1, Math.floor(bytesPerS / 1024))),
          "stalled-download-timeout": String(PAUSED_TIMEOUT_S),
        }
      : {}),
    ...(oneByOne || bytesPerS > 0 ? { "http-connections": "1" } : {}),
  };
}

/**
 * Stdout of a call that must succeed.
 *
 * @throws {AgentError} kind `tool` with nix's last words.
 */
export function succeeded(what: string, ended: Ended): string {
  if (ended.how === "exited" && ended.code === 0) return ended.stdout;
  throw new AgentError(
    "tool",
    `${what} ${ended.how} with status ${ended.code}: ${lastLine(ended.tail)}`,
    ended.tail,
  );
}

export function lastLine(text: string): string {
  return foreignWords(text.trim().split("\n").at(-1) ?? "", 500);
}
