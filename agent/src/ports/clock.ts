/** Time and chance. */

export interface Clock {
  /** Milliseconds since the boot, never stepped: for deadlines. */
  monotonicMs(): number;
  /** Seconds since 1970 UTC by the wall clock, which may be wrong. */
  wallS(): number;
  /** Whether something keeps the wall clock right. */
  synchronized(): Promise<boolean>;
  /** Random id of this boot. */
  bootId(): Promise<string>;
  /** Rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface Chance {
  /** 0 (inclusive) to 1. */
  fraction(): number;
  /** A random UUID. */
  id(): string;
}
