/**
 * A wait that outlives reboots, without trust in a wall clock that may say 1970 or 2099. Pure.
 *
 * What has certainly passed counts: time of the same boot, the age of a later boot, and the wall
 * clock's difference where both ends were kept right. Time while the device was off is only known by
 * the last; a device whose clock nobody keeps right waits that much longer.
 */
export interface Countdown {
  /** What was left at the reading. */
  readonly leftMs: number;
  readonly at: ClockReading;
}

/** A look at the clocks. */
export interface ClockReading {
  readonly bootId: string;
  /** Since that boot. */
  readonly ms: number;
  /** Seconds since 1970 UTC; absent: nobody keeps the wall clock right. */
  readonly wallS?: number;
}

export function leftMs({ leftMs: before, at }: Countdown, now: ClockReading): number {
  const ranMs = now.bootId === at.bootId ? now.ms - at.ms : now.ms;
  const wallMs =
    now.wallS === undefined || at.wallS === undefined ? 0 : (now.wallS - at.wallS) * 1000;
  return Math.min(before, Math.max(0, before - Math.max(ranMs, wallMs)));
}

/** The same wait told from another reading: written now and then, it counts on over reboots. */
export function wound(countdown: Countdown, now: ClockReading): Countdown {
  return { leftMs: leftMs(countdown, now), at: now };
}

/** Whether so much has passed since it was told that a crash must not lose it. */
export function worthKeeping({ at }: Countdown, now: ClockReading, everyMs: number): boolean {
  return now.bootId !== at.bootId || now.ms - at.ms >= everyMs;
}
