import { existsSync } from "node:fs";

import { foreignWords } from "../foreign-words.ts";
import type { Activation, ActivationResult } from "../ports/activation.ts";
import type { Clock } from "../ports/clock.ts";
import type { Disk } from "../ports/disk.ts";
import { isLocked } from "../process/file-lock.ts";
import type { Runner } from "./runner.ts";
import { WRAPPER } from "./wrapper.ts";

const SWITCH_LOCK = "/run/nixos/switch-to-configuration.lock";

/** So many looks for the result for one at the run itself, which costs a process. */
const LOOKS_FOR_A_RUN = 10;

export interface ActivationSettings {
  readonly limitMs: number;
  readonly beginMs: number;
  readonly graceMs: number;
  readonly watchMs: number;
}

/**
 * Runs of switch-to-configuration beside the agent, each within a wrapper that leaves its result in
 * a file: whoever starts a run, it is begun once, and whoever waits for it learns how it ended.
 */
export function activationBeside(
  runner: Runner,
  disk: Disk,
  clock: Clock,
  stateDir: string,
  environment: Readonly<Record<string, string>>,
  settings: ActivationSettings,
): Activation {
  const directory = `${stateDir}/result`;
  const file = (name: string, suffix: string) => `${directory}/${name}.${suffix}`;
  const text = async (path: string, limitBytes: number) => {
    const bytes = await disk.read(path, limitBytes);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  };

  const resultOf = async (name: string): Promise<ActivationResult | undefined> => {
    const written = await text(file(name, "json"), 1024);
    if (written === undefined) return undefined;
    const { code, timedOut } = readResult(written);
    if (timedOut === true) return { ended: "timed out" };
    // What cannot be read is none: who waits goes on as after a run that told nothing.
    if (typeof code !== "number") return undefined;
    return { ended: "exited", code, tail: await lastWords(name) };
  };

  const lastWords = async (name: string) => {
    const lines = (await text(file(name, "log"), 128 * 1024))?.trim().split("\n") ?? [];
    return foreignWords(lines.at(-1) ?? "", 300);
  };

  /** Whether the time went, or the run came to nothing, in the switch itself or in the tools around it. */
  const without = (name: string, ended: "timed out" | "vanished"): ActivationResult => {
    if (!existsSync(file(name, "switching"))) return { ended: "not begun" };
    return { ended: existsSync(file(name, "over")) ? "untold" : ended };
  };

  /** The result, of a run that ended between two looks as well. */
  const gone = async (name: string, signal: AbortSignal): Promise<ActivationResult> => {
    const result = await resultOf(name);
    if (result !== undefined) return result;
    // What a killed wrapper leaves behind must not go on switching.
    await runner.end(name, signal);
    return without(name, "vanished");
  };

  const begin = async (
    name: string,
    storePath: string,
    action: string,
    signal: AbortSignal,
  ): Promise<void> => {
    await disk.makeDirectory(directory);
    // The wrapper's own limit holds when no agent is there to keep this one.
    const limitS = Math.ceil((settings.limitMs + 2 * settings.graceMs) / 1000);
    const program = `${storePath}/bin/switch-to-configuration`;
    await runner.start(
      {
        name,
        description: `nix-ota: ${action} of ${storePath}`,
        argv: [
          "sh",
          "-c",
          WRAPPER,
          "nix-ota-activation",
          directory,
          name,
          String(limitS),
          program,
          action,
        ],
        backstopMs: 1000 * limitS + 30_000,
      },
      signal,
    );
  };

  return {
    async run(name, { storePath, action }, signal) {
      if ((await resultOf(name)) === undefined && !(await runner.runs(name, signal))) {
        if (existsSync(file(name, "started"))) return await gone(name, signal);
        await begin(name, storePath, action, signal);
      }
      const sinceMs = clock.monotonicMs();
      const over = () => {
        const tookMs = clock.monotonicMs() - sinceMs;
        const late = tookMs >= settings.beginMs && !existsSync(file(name, "switching"));
        return late || tookMs >= settings.limitMs;
      };
      for (let looks = 1; ; looks += 1) {
        const result = await resultOf(name);
        if (result !== undefined) return result;
        if (looks % LOOKS_FOR_A_RUN === 0 && !(await runner.runs(name, signal)))
          return await gone(name, signal);
        if (over()) {
          await runner.end(name, signal);
          return (await resultOf(name)) ?? without(name, "timed out");
        }
        await clock.sleep(settings.watchMs, signal);
      }
    },
    begun: async (name) => existsSync(file(name, "started")) || existsSync(file(name, "json")),
    busy: async (signal) => await isLocked(SWITCH_LOCK, environment, signal),
    async end(prefix, signal) {
      for (const started of await disk.list(directory)) {
        const name = started.slice(0, -".started".length);
        if (!started.startsWith(prefix) || !started.endsWith(".started")) continue;
        if ((await resultOf(name)) === undefined) await runner.end(name, signal);
      }
    },
    async forget(keep) {
      for (const name of await disk.list(directory)) {
        if (keep === undefined || !name.startsWith(keep)) await disk.remove(`${directory}/${name}`);
      }
    },
  };
}

function readResult(text: string): { readonly code?: unknown; readonly timedOut?: unknown } {
  try {
    return Object(JSON.parse(text)) as object;
  } catch {
    // A full disk or a power cut left a part of it, or nothing.
    return {};
  }
}
