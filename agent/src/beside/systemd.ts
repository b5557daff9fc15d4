import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";

import { AgentError } from "../agent-error.ts";
import { runCommand } from "../process/run-command.ts";
import type { Ended } from "../process/run-command.ts";

/** A transient unit. */
export interface TransientUnit {
  /** Full name, e.g. `nix-ota-….service`. */
  readonly unit: string;
  /** Stands in the journal instead of the command line. Holds no secret. */
  readonly description: string;
  /** Properties, `Name=value`. */
  readonly properties: readonly string[];
  /** Further options of systemd-run. */
  readonly options?: readonly string[];
  readonly argv: readonly string[];
}

/** Longest wait for the service manager, which may be loading its units anew. */
const MANAGER_MS = 60_000;

export interface Systemd {
  /**
   * Starts a transient unit, which leaves nothing behind when it ends, failed or not: a unit of ours
   * that stays failed would be held against the closure.
   *
   * @param limitMs longest that systemd-run may take.
   */
  run(unit: TransientUnit, limitMs: number, signal: AbortSignal): Promise<Ended>;
  systemctl(argv: readonly string[], limitMs: number, signal: AbortSignal): Promise<Ended>;
  /** Whether a unit runs, begins or ends. */
  runs(unit: string, signal: AbortSignal): Promise<boolean>;
}

/** Who keeps what runs beside the agent. `auto`: systemd where it is process 1. */
export type Supervisor = "auto" | "systemd" | "processes";

/** The service manager; undefined: there is none, or it is not to be used. */
export function serviceManager(
  supervisor: Supervisor,
  environment: Readonly<Record<string, string>>,
): Systemd | undefined {
  const units =
    supervisor === "systemd" || (supervisor === "auto" && existsSync("/run/systemd/system"));
  return units ? systemd(environment) : undefined;
}

function systemd(environment: Readonly<Record<string, string>>): Systemd {
  const call = async (argv: readonly [string, ...string[]], limitMs: number, signal: AbortSignal) =>
    await runCommand(
      { argv, environment, limitMs, outputLimitBytes: 64 * 1024, tailBytes: 1024 },
      signal,
    );

  return {
    run: async ({ unit, description, properties, options = [], argv }, limitMs, signal) =>
      await call(
        [
          "systemd-run",
          "--quiet",
          "--collect",
          "--no-ask-password",
          `--unit=${unit}`,
          `--description=${description}`,
          ...properties.map((property) => `--property=${property}`),
          // By name alone: a proxy's password is nothing for a command line.
          ...Object.keys(environment).map((name) => `--setenv=${name}`),
          ...options,
          "--",
          // The manager would put the values of its own variables in place of `$NAME`.
          ...argv.map((argument) => argument.replaceAll("$", "$$$$")),
        ],
        limitMs,
        signal,
      ),
    systemctl: async (argv, limitMs, signal) =>
      await call(["systemctl", "--no-ask-password", ...argv], limitMs, signal),
    async runs(unit, signal) {
      const { how, code, stdout, tail } = await call(
        ["systemctl", "show", "--property=ActiveState", "--value", unit],
        MANAGER_MS,
        signal,
      );
      signal.throwIfAborted();
      if (how !== "exited" || code !== 0)
        throw new AgentError("tool", "systemctl does not answer; see whether systemd runs", tail);
      return !["inactive", "failed"].includes(stdout.trim());
    },
  };
}

/** The service that this process runs in; undefined: none of ours. */
export async function ownService(): Promise<string | undefined> {
  const groups = await readFile("/proc/self/cgroup", "utf8").catch(() => "");
  return /\/(nix-ota-[a-z0-9-]+\.service)$/m.exec(groups)?.[1];
}
