/** Whether a system is well. */
import type { Fitness } from "../self-test.ts";

/** How a check of health went. */
export type HealthResult =
  | { readonly health: "passed" }
  | { readonly health: "failed" | "not run"; readonly detail: string };

export interface Health {
  /** Runs a shell command in a process group of its own, limited in time and output. */
  check(
    command: string,
    environment: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HealthResult>;
  /** Units that failed; undefined when that cannot be told. */
  failedUnits(signal: AbortSignal): Promise<readonly string[] | undefined>;
}

/** The agents of other systems. */
export interface OtherAgents {
  /**
   * Runs the self-test of a system's own agent with that system's configuration, limited in time and
   * output.
   *
   * @returns `detail`: what it said, one bounded line; empty when it said nothing.
   */
  selfTest(
    storePath: string,
    environment: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<{ readonly fitness: Fitness; readonly detail: string }>;
}
