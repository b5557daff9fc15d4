import type { ClockReading, Countdown } from "./countdown.ts";

/** A person put updates off. */
export interface Postponement {
  readonly version: 1;
  /** For how long, as it was asked for. */
  readonly forMs: number;
  /** In the person's own words; empty: none. */
  readonly why: string;
  readonly countdown: Countdown;
}

export function postpone(forMs: number, why: string, now: ClockReading): Postponement {
  return { version: 1, forMs, why, countdown: { leftMs: forMs, at: now } };
}
