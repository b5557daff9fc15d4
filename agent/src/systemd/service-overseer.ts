import type { Clock } from "../ports/clock.ts";
import type { Log, Overseer } from "../ports/supervision.ts";
import type { Send } from "./notifier.ts";

/** From its start until the agent first says when it comes by. */
const START_MS = 120_000;

/** Longest status that systemd is told, in characters. */
const STATUS_LENGTH = 300;

export interface OverseerOptions {
  readonly send: Send;
  /** Between two meals of the watchdog at the most, in milliseconds; undefined: there is none. */
  readonly watchdogMs: number | undefined;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly log: Log;
}

/**
 * systemd as overseer of a `Type=notify` service. Messages go one after the other; of several that
 * wait, the newest of each kind is sent.
 *
 * The watchdog is fed from a timer, so that long work need not think of it, but only until the moment
 * by which the agent said it would come by: neither a process that stands still nor a promise that
 * never settles keeps it alive.
 */
export function serviceOverseer({ send, watchdogMs, clock, log }: OverseerOptions): Overseer {
  let waiting = new Map<string, string>();
  let sending: Promise<void> | undefined;
  let status = "";
  let comesByMs = clock.monotonicMs() + START_MS;
  let late = false;

  const flush = async () => {
    // What is told in one breath goes in one message.
    await Promise.resolve();
    while (waiting.size > 0) {
      const assignments = [...waiting].map(([name, value]) => `${name}=${value}`);
      waiting = new Map();
      if (!(await send(assignments))) {
        log(
          "warn",
          "the service manager could not be told; put systemd-notify into the PATH of the agent's unit",
          {
            told: assignments.map((one) => one.split("=")[0]),
          },
        );
      }
    }
    sending = undefined;
  };
  const tell = (name: string, value: string) => {
    waiting.set(name, value);
    sending ??= flush();
  };

  const feed = () => {
    if (clock.monotonicMs() <= comesByMs) return tell("WATCHDOG", "1");
    if (!late) log("error", "the agent does not go on and is left to the watchdog");
    late = true;
  };
  const timer = watchdogMs === undefined ? undefined : setInterval(feed, watchdogMs / 3);
  timer?.unref();

  return {
    ready() {
      tell("READY", "1");
    },
    doing(sentence) {
      const line = sentence.replaceAll(/\s+/g, " ").slice(0, STATUS_LENGTH);
      if (line === status) return;
      status = line;
      tell("STATUS", line);
    },
    comesBy(withinMs) {
      comesByMs = clock.monotonicMs() + withinMs;
      late = false;
    },
    async ending() {
      clearInterval(timer);
      tell("STOPPING", "1");
      await sending;
    },
  };
}

/** An agent that was started by hand, or by something that does not ask how it is. */
export const noOverseer: Overseer = {
  ready: () => undefined,
  doing: () => undefined,
  comesBy: () => undefined,
  ending: async () => await Promise.resolve(),
};

/** How long the service manager waits for this process to feed its watchdog; undefined: it has none. */
export function watchdogMs(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | undefined {
  const { WATCHDOG_USEC: microseconds, WATCHDOG_PID: whom } = environment;
  if (whom !== undefined && Number(whom) !== pid) return undefined;
  const ms = Number(microseconds) / 1000;
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}
