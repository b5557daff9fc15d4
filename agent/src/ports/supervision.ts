/** Who watches over the agent, and whom it must not disturb. */

/** Who started the agent, and starts it anew when it dies or hangs: systemd, or nobody. */
export interface Overseer {
  /** What an earlier agent left is taken up. */
  ready(): void;
  /** What the agent does at this moment, in one sentence. */
  doing(sentence: string): void;
  /** The agent comes by here again within so many milliseconds. When it does not, it hangs. */
  comesBy(withinMs: number): void;
  /** The agent ends in order; resolves when that and everything before it was told. */
  ending(): Promise<void>;
}

/** Who would take over if this agent ended. */
export interface Succession {
  /** Whether that is another program, or the same with another configuration. */
  superseded(): Promise<boolean>;
}

/** A program that an update must not disturb. */
export interface Inhibitor {
  readonly pid: number;
  /** In its own words. */
  readonly why: string;
}

/** Keeps updates and what they must not disturb apart. Neither outlives its process. */
export interface Inhibition {
  /** Lets nobody begin to inhibit until `reopen`. False, and nothing is closed, while somebody does. */
  close(): boolean;
  reopen(): void;
  /** Who inhibits or waits to, as far as they said so. */
  inhibitors(): Promise<readonly Inhibitor[]>;
  /** Those of the files that exist, or about which that cannot be told. */
  present(files: readonly string[]): Promise<readonly string[]>;
}

/** One line for each thing worth telling; values must hold no secret. */
export interface Log {
  (
    level: "info" | "warn" | "error",
    message: string,
    facts?: Readonly<Record<string, unknown>>,
  ): void;
}
