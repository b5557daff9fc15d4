/**
 * What a device on a metered link may download in a period, over reboots and without trust in a wall
 * clock. Pure. A period begins with the first byte after the one before is over.
 */
import { leftMs } from "./countdown.ts";
import type { ClockReading, Countdown } from "./countdown.ts";

export interface ByteBudget {
  /** Compressed bytes of closures. */
  readonly bytes: number;
  /** Length of a period, hours. */
  readonly hours: number;
}

/** The period under way, durable. */
export interface Ledger {
  readonly version: 1;
  readonly countdown: Countdown;
  /** Never less than what was downloaded in the period. */
  readonly spentBytes: number;
}

/** The ledger at a moment: another period when the last is over, or when there was none. */
export function ledgerAt(
  ledger: Ledger | undefined,
  { hours }: ByteBudget,
  now: ClockReading,
): Ledger {
  const periodMs = hours * 3_600_000;
  // A shorter period in the configuration ends a long one that is under way.
  const left = ledger === undefined ? 0 : Math.min(periodMs, leftMs(ledger.countdown, now));
  if (ledger === undefined || left === 0)
    return { version: 1, countdown: { leftMs: periodMs, at: now }, spentBytes: 0 };
  return { ...ledger, countdown: { leftMs: left, at: now } };
}

export function leftBytes({ spentBytes }: Ledger, { bytes }: ByteBudget): number {
  return Math.max(0, bytes - spentBytes);
}

/**
 * What to write before more is downloaded than is written: a share ahead, so that a crash loses none
 * of it. Undefined: what is written still covers it.
 */
export function reserved(
  { spentBytes: written }: Ledger,
  spentBytes: number,
  { bytes }: ByteBudget,
): number | undefined {
  if (spentBytes <= written) return undefined;
  return spentBytes + Math.min(1024 * 1024, Math.ceil(bytes / 50));
}
