/** Starts a program later, also when the agent is dead by then. */
export interface Alarm {
  /**
   * Lets the program begin after the time, measured on the monotonic clock, and begin once more as
   * long as it fails. Sentence of the failure, or undefined.
   */
  set(
    name: string,
    argv: readonly [string, ...string[]],
    afterMs: number,
    signal: AbortSignal,
  ): Promise<string | undefined>;
  /** Whether the program is still to begin. */
  isSet(name: string, signal: AbortSignal): Promise<boolean>;
  /** Lets no program begin any more. One that has begun is left to itself. */
  clear(signal: AbortSignal): Promise<void>;
}

export interface AlarmSettings {
  /** Between two tries of a program that failed. */
  readonly retryMs: number;
}
