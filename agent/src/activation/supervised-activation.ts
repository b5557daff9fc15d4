import { spawn } from "node:child_process";
import { existsSync } from "node:fs";

import { AgentError } from "../agent-error.ts";
import type { Activation, ActivationResult, Clock, Disk } from "../ports.ts";
import { sessionRuns, signalSession } from "../process/process-group.ts";
import { runCommand } from "../process/run-command.ts";
import { WRAPPER } from "./wrapper.ts";

const SWITCH_LOCK = "/run/nixos/switch-to-configuration.lock";

export interface ActivationSettings {
  readonly limitMs: number;
  readonly graceMs: number;
  readonly watchMs: number;
}

/**
 * Runs of switch-to-configuration as supervised processes, for machines without systemd. Each is a
 * session of its own that the agent's death does not touch; another agent finds it by its lock and
 * result file.
 */
export function supervisedActivation(
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

  const isLocked = async (path: string, signal: AbortSignal) => {
    if (!existsSync(path)) return false;
    const { how, code } = await runCommand(
      {
        argv: ["flock", "--nonblock", path, "true"],
        environment,
        limitMs: 10_000,
        outputLimitBytes: 1024,
      },
      signal,
    );
    if (how !== "exited")
      throw new AgentError("tool", `flock ${how}; it is part of util-linux`, how);
    return code !== 0;
  };

  const resultOf = async (name: string): Promise<ActivationResult | undefined> => {
    const written = await text(file(name, "json"), 1024);
    if (written === undefined) return undefined;
    const { code, timedOut } = JSON.parse(written) as { code: number; timedOut: boolean };
    if (timedOut) return { ended: "timed out" };
    return { ended: "exited", code, tail: await lastWords(name) };
  };

  const lastWords = async (name: string) => {
    const lines = (await text(file(name, "log"), 128 * 1024))?.trim().split("\n") ?? [];
    return (lines.at(-1) ?? "").slice(0, 300);
  };

  /** Ends what is left of a run, and returns when it is gone: nothing must switch beside a return. */
  const end = async (name: string, signal: AbortSignal) => {
    const id = Number((await text(file(name, "started"), 32))?.trim());
    if (!Number.isInteger(id) || id <= 1) return;
    const session = { id, marker: `NIX_OTA_RUN=${name}` };
    for (const request of ["SIGTERM", "SIGKILL"] as const) {
      await signalSession(session, request);
      const deadline = clock.monotonicMs() + settings.graceMs;
      while (clock.monotonicMs() < deadline) {
        if (!(await sessionRuns(session))) return;
        await clock.sleep(settings.watchMs, signal);
      }
    }
  };

  /** The result, of a run that ended between two looks as well. */
  const gone = async (name: string, signal: AbortSignal): Promise<ActivationResult> => {
    const result = await resultOf(name);
    if (result !== undefined) return result;
    await end(name, signal);
    return { ended: "vanished" };
  };

  return {
    async run(name, { storePath, action }, signal) {
      let alive: (() => boolean) | undefined;
      if ((await resultOf(name)) === undefined && !(await isLocked(file(name, "lock"), signal))) {
        if (existsSync(file(name, "started"))) return await gone(name, signal);
        await disk.makeDirectory(directory);
        // The wrapper's own limit holds when no agent is there to keep this one.
        const backstopS = Math.ceil((settings.limitMs + 2 * settings.graceMs) / 1000);
        const program = `${storePath}/bin/switch-to-configuration`;
        const child = spawn(
          "sh",
          [
            "-c",
            WRAPPER,
            "nix-ota-activation",
            directory,
            name,
            String(backstopS),
            program,
            action,
          ],
          {
            cwd: "/",
            env: { ...environment, NIX_OTA_RUN: name },
            detached: true,
            stdio: "ignore",
          },
        );
        let running = true;
        const over = () => {
          running = false;
        };
        child.once("exit", over);
        child.once("error", over);
        child.unref();
        alive = () => running;
      }
      const deadline = clock.monotonicMs() + settings.limitMs;
      for (;;) {
        const result = await resultOf(name);
        if (result !== undefined) return result;
        if (alive === undefined ? !(await isLocked(file(name, "lock"), signal)) : !alive()) {
          return await gone(name, signal);
        }
        if (clock.monotonicMs() >= deadline) {
          await end(name, signal);
          return { ended: "timed out" };
        }
        await clock.sleep(settings.watchMs, signal);
      }
    },
    begun: async (name) => existsSync(file(name, "started")) || existsSync(file(name, "json")),
    busy: async (signal) => await isLocked(SWITCH_LOCK, signal),
    async forget(keep) {
      for (const name of await disk.list(directory)) {
        if (keep === undefined || !name.startsWith(keep)) await disk.remove(`${directory}/${name}`);
      }
    },
  };
}
