import type { Clock } from "../ports/clock.ts";
import type { Log, Overseer, Succession } from "../ports/supervision.ts";
import { notifier } from "./notifier.ts";
import { noOverseer, serviceOverseer, watchdogMs } from "./service-overseer.ts";
import { noSuccession, serviceSuccession } from "./succession.ts";

/**
 * What systemd is to an agent that it may have started.
 *
 * @param own this process's environment, in which systemd says how it is to be told.
 * @param environment that of programs.
 * @param system the real path of the system whose agent this is; undefined: nobody starts another.
 */
export async function asService(
  own: Readonly<Record<string, string | undefined>>,
  environment: Readonly<Record<string, string>>,
  system: string | undefined,
  ports: { readonly clock: Clock; readonly log: Log },
): Promise<{ readonly overseer: Overseer; readonly succession: Succession }> {
  const socket = own["NOTIFY_SOCKET"];
  return {
    overseer:
      socket === undefined
        ? noOverseer
        : serviceOverseer({
            ...ports,
            send: notifier(socket, environment),
            watchdogMs: watchdogMs(own, process.pid),
          }),
    succession: system === undefined ? noSuccession : await serviceSuccession(system),
  };
}
