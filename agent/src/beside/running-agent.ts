import { AgentError } from "../agent-error.ts";
import { holderOf, takeLock } from "../agent-lock.ts";
import type { RunningAgent } from "../dead-man.ts";
import { isAlive } from "../process/process-group.ts";
import type { Systemd } from "./systemd.ts";

const UNIT = "nix-ota-agent.service";
const MANAGER_MS = 30_000;

/** The agent on this machine: a service where there is a manager, and whoever holds the lock. */
export function runningAgent(
  lockFile: string,
  environment: Readonly<Record<string, string>>,
  manager: Systemd | undefined,
): RunningAgent {
  return {
    lock(waitS) {
      try {
        return takeLock(lockFile, waitS, environment);
      } catch (cause) {
        if (cause instanceof AgentError && cause.kind === "busy") return undefined;
        throw cause;
      }
    },
    async end(how, signal) {
      // The manager would start an agent again that is merely killed.
      await manager?.systemctl(["stop", "--no-block", UNIT], MANAGER_MS, signal);
      if (how === "killed") {
        await manager?.systemctl(["kill", "--signal=KILL", UNIT], MANAGER_MS, signal);
      }
      const holder = holderOf(lockFile);
      if (holder === undefined || !isAlive(holder)) return;
      try {
        process.kill(holder.pid, how === "killed" ? "SIGKILL" : "SIGTERM");
      } catch {
        // It ended by itself.
      }
    },
    async startAgain(signal) {
      if (manager === undefined) return;
      const show = ["show", "--property=LoadState", "--value", UNIT];
      const { stdout, ...shown } = await manager.systemctl(show, MANAGER_MS, signal);
      // A system without the unit, or with one that is masked, starts it at no try.
      if (shown.code === 0 && stdout.trim() !== "loaded") return;
      const { code, tail } = await manager.systemctl(
        ["start", "--no-block", UNIT],
        MANAGER_MS,
        signal,
      );
      if (code !== 0)
        throw new AgentError("tool", `${UNIT} cannot be started; see systemctl status`, tail);
    },
  };
}
