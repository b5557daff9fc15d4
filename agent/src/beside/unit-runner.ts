import { AgentError } from "../agent-error.ts";
import type { Clock } from "../ports/clock.ts";
import type { Runner } from "./runner.ts";
import type { Systemd } from "./systemd.ts";

export interface UnitRunnerSettings {
  readonly graceMs: number;
}

const START_TRIES = 3;
const START_MS = 30_000;
const START_WAIT_MS = 2_000;

/**
 * Programs as transient units, which have a control group and a log of their own, and which the
 * agent's death does not touch. The name finds them again.
 */
export function unitRunner(manager: Systemd, clock: Clock, settings: UnitRunnerSettings): Runner {
  const unitOf = (name: string) => `nix-ota-${name}.service`;
  const seconds = (ms: number) => Math.ceil(ms / 1000);

  return {
    async start({ name, description, argv, backstopMs }, signal) {
      let said = "";
      for (let tries = 0; tries < START_TRIES; tries += 1) {
        // A manager that is loading its units anew, or is short of memory, is asked again.
        if (tries > 0) await clock.sleep(START_WAIT_MS, signal);
        const { code, tail, how } = await manager.run(
          {
            unit: unitOf(name),
            description,
            properties: [
              "Type=exec",
              "KillMode=control-group",
              `RuntimeMaxSec=${seconds(backstopMs)}`,
              `TimeoutStopSec=${seconds(settings.graceMs)}`,
              "OOMScoreAdjust=-900",
            ],
            argv,
          },
          START_MS,
          signal,
        );
        signal.throwIfAborted();
        if (code === 0 || (await manager.runs(unitOf(name), signal))) return;
        said = tail.trim() || how;
      }
      throw new AgentError(
        "tool",
        `systemd-run cannot start ${unitOf(name)} (${said.slice(-300)}); see the journal of the device`,
        said,
      );
    },
    runs: async (name, signal) => await manager.runs(unitOf(name), signal),
    async end(name, signal) {
      const stop = async (...argv: string[]) =>
        await manager.systemctl([...argv, unitOf(name)], 2 * settings.graceMs + START_MS, signal);
      await stop("stop");
      if (await manager.runs(unitOf(name), signal)) await stop("kill", "--signal=KILL");
    },
  };
}
