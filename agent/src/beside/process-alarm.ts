import { spawn } from "node:child_process";
import { once } from "node:events";

import { leadersMarked } from "../process/process-group.ts";
import type { Alarm, AlarmSettings } from "./alarm.ts";

const MARK = "NIX_OTA_ALARM=";

/** The shell that waits is ended to clear the alarm; what it sleeps by ends with it. */
const SCRIPT = `
nap() { setpriv --pdeathsig KILL -- sleep "$1"; }
nap "$1"
retry=$2
shift 2
until "$@"; do nap "$retry"; done
`;

/** Alarms as shells that sleep, for machines without systemd. A reboot ends them. */
export function processAlarm(
  environment: Readonly<Record<string, string>>,
  { retryMs }: AlarmSettings,
): Alarm {
  return {
    async set(name, argv, afterMs) {
      const seconds = [afterMs, retryMs].map((ms) => String(ms / 1000));
      const child = spawn("sh", ["-c", SCRIPT, "nix-ota-dead-man", ...seconds, ...argv], {
        cwd: "/",
        env: { ...environment, [MARK.slice(0, -1)]: name },
        detached: true,
        stdio: "ignore",
      });
      try {
        await once(child, "spawn");
      } catch {
        return "sh cannot be started";
      }
      child.unref();
      return undefined;
    },
    isSet: async (name) => (await leadersMarked(`${MARK}${name}`)).length > 0,
    async clear() {
      for (const pid of await leadersMarked(MARK)) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It ended by itself.
        }
      }
    },
  };
}
