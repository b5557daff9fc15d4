import type { Agent } from "./agent.ts";
import type { Failure } from "./failure.ts";
import type { StateName } from "./states.ts";

/** The time that the work of a state has, where nothing in it keeps a limit of its own. */
export interface WorkLimit {
  /** Aborted by the caller's signal, or when the time is over. */
  readonly signal: AbortSignal;
  /** Whether it is over. */
  over(): boolean;
  readonly failure: Failure;
  /** The work has ended. */
  end(): void;
}

/**
 * However many short commands the work of a state is made of, it ends: each may take its own limit, and
 * be tried again.
 */
export function workLimit(
  { ports, config }: Pick<Agent, "ports" | "config">,
  state: StateName,
  signal: AbortSignal,
): WorkLimit {
  const { acceptedMs, stagedMs, armedMs, committingMs } = config.settings.limits;
  const limits: Partial<Record<StateName, number>> = {
    accepted: acceptedMs,
    staged: stagedMs,
    armed: armedMs,
    committing: committingMs,
  };
  const limitMs = limits[state];
  const time = new AbortController();
  const ended = new AbortController();
  if (limitMs !== undefined) {
    // Rejects when the work ends before.
    ports.clock.sleep(limitMs, ended.signal).then(
      () => time.abort(),
      () => undefined,
    );
  }
  return {
    signal: AbortSignal.any([signal, time.signal]),
    over: () => time.signal.aborted,
    failure: {
      code: "TOOL_FAILED",
      message: `the work of ${state} did not end within ${(limitMs ?? 0) / 1000} s and was given up; see the log of the device for what it waited for`,
    },
    end: () => ended.abort(),
  };
}
