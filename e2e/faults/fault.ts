import type { FailureCodeName } from "@nix-ota/agent/failure";
import type { StateName } from "@nix-ota/agent/states";

import type { AgentConfig } from "../src/agent-config.ts";
import type { ReleaseName } from "./releases.ts";
import type { Subject } from "./subject.ts";

/** Ends a fault that lasts. */
type Healing = () => Promise<void> | void;

/** What goes wrong, and how it is done to a device. */
export type Fault = {
  /** What went wrong, for people. */
  readonly says: string;
  /** Where the agent stands when it is done. Default `entered`: before any of the state's work. */
  readonly at?: "entered" | "leaving";
  /** What the first attempt that ends has to name as its failure. Default: whatever it is. */
  readonly failure?: FailureCodeName | readonly FailureCodeName[];
  /** What no attempt may name as its failure. Default: nothing is ruled out. */
  readonly never?: FailureCodeName;
  /** What is offered instead of `good`, or of `sick` on the way back. */
  readonly release?: ReleaseName;
  /** Keys of the agent's configuration that differ. */
  readonly config?: AgentConfig;
  /** Arguments of `publish` for a release that only this case has. */
  readonly publish?: readonly string[];
  /** Before the agent starts. */
  readonly prepare?: (subject: Subject) => Promise<void>;
  /**
   * The fault itself, while the agent stands still in the state. It goes on afterwards unless it was
   * killed. A fault that lasts gives its healing.
   */
  readonly strike?: (
    subject: Subject,
    state: StateName,
  ) => Promise<Healing | void> | Healing | void;
  /**
   * When a fault that lasts is healed: once the agent has left the state or an attempt has ended
   * (default), or already when the machine has moved, which a try that failed does too.
   */
  readonly lasts?: "until it leaves" | "until it moves";
};
