import { runCommand } from "../process/run-command.ts";

/** Sends what it is told to the service manager, e.g. `READY=1`; false: that could not be done. */
export type Send = (assignments: readonly string[]) => Promise<boolean>;

/** A message waits for the service manager no longer than that. */
const SEND_MS = 5_000;

/**
 * Node has no datagram sockets of the file system, which sd_notify(3) speaks over. systemd's own
 * program does it, in the name of its parent; a message takes about 6 ms of CPU.
 *
 * @param socket value of NOTIFY_SOCKET, which no other program gets to see.
 */
export function notifier(socket: string, environment: Readonly<Record<string, string>>): Send {
  return async (assignments) => {
    const { how, code } = await runCommand(
      {
        argv: ["systemd-notify", ...assignments],
        environment: { ...environment, NOTIFY_SOCKET: socket },
        limitMs: SEND_MS,
        outputLimitBytes: 1024,
      },
      new AbortController().signal,
    );
    return how === "exited" && code === 0;
  };
}
