import type { Alarm, AlarmSettings } from "./alarm.ts";
import type { Systemd } from "./systemd.ts";

const MANAGER_MS = 30_000;

/** A return that takes longer than that hangs, and is taken up once more. */
const LONGEST_RUN_S = 3600;

/** Alarms as transient timers. */
export function unitAlarm(manager: Systemd, { retryMs }: AlarmSettings): Alarm {
  const unitOf = (name: string) => `nix-ota-dead-man-${name}`;
  return {
    async set(name, argv, afterMs, signal) {
      const { code, tail, how } = await manager.run(
        {
          unit: unitOf(name),
          description: "nix-ota: dead-man",
          properties: [
            "Type=exec",
            "KillMode=control-group",
            // Whatever the status: what is wrong with a configuration may be right a moment later.
            "Restart=on-failure",
            `RestartSec=${retryMs}ms`,
            "StartLimitIntervalSec=0",
            `RuntimeMaxSec=${LONGEST_RUN_S}`,
            "OOMScoreAdjust=-900",
          ],
          options: [`--on-active=${Math.ceil(afterMs)}ms`, "--timer-property=AccuracySec=1s"],
          argv,
        },
        MANAGER_MS,
        signal,
      );
      signal.throwIfAborted();
      if (code === 0) return undefined;
      return `systemd-run made no timer (${tail.trim().slice(-300) || how})`;
    },
    isSet: async (name, signal) => await manager.runs(`${unitOf(name)}.timer`, signal),
    async clear(signal) {
      await manager.systemctl(["stop", `${unitOf("*")}.timer`], MANAGER_MS, signal);
    },
  };
}
