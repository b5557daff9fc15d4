/** A program that runs beside the agent and outlives it. */
export interface Run {
  /** Unique on this device: lower-case letters, digits and dashes, at most 100. */
  readonly name: string;
  /** For people, where the system lists what runs. Holds no secret. */
  readonly description: string;
  readonly argv: readonly [string, ...string[]];
  /** Ends the program when no agent is there to do it. */
  readonly backstopMs: number;
}

/** Starts, finds and ends what runs beside the agent. Another agent finds it by its name. */
export interface Runner {
  /**
   * Starts the program and returns. One of that name that runs already is left as it is.
   *
   * @throws {AgentError} kind `tool` when it cannot be started.
   */
  start(run: Run, signal: AbortSignal): Promise<void>;
  /** Whether it runs. */
  runs(name: string, signal: AbortSignal): Promise<boolean>;
  /** Ends it with all that it started, and returns when that is gone. No error when there is none. */
  end(name: string, signal: AbortSignal): Promise<void>;
}
