import type { Power } from "../ports/host.ts";
import { runCommand } from "../process/run-command.ts";

/** Reboots by a command, `systemctl reboot` on a machine with systemd. */
export function commandPower(
  environment: Readonly<Record<string, string>>,
  rebootCmd: string,
  settings: { readonly limitMs: number },
): Power {
  return {
    async reboot(signal) {
      const { how, code, tail } = await runCommand(
        {
          argv: ["sh", "-c", `${rebootCmd}\n`],
          environment,
          limitMs: settings.limitMs,
          outputLimitBytes: 64 * 1024,
        },
        signal,
      );
      signal.throwIfAborted();
      return how === "exited" && code === 0
        ? undefined
        : `the reboot was refused: ${how} with status ${code} ${tail.trim().slice(-200)}`.trimEnd();
    },
  };
}
