import type { RejectCodeName } from "@nix-ota/proto";

import type { FailureCodeName } from "./failure.ts";
import type { Outcome } from "./outcome.ts";
import type { CopyProgress } from "./ports/nix.ts";
import type { StateName } from "./states.ts";

/** An attempt as a report tells it. */
export interface ReportedAttempt {
  readonly id: string;
  readonly channel: string;
  readonly revision: number;
  readonly storePath: string;
  /** Where it stands; idle or stuck once it ended. */
  readonly state: StateName;
  /** Absent while it lasts. */
  readonly outcome?: Outcome;
  readonly failureCode?: FailureCodeName;
  readonly rejectCode?: RejectCodeName;
  /** One sentence; empty when there is nothing to say. */
  readonly message: string;
  readonly fetch?: CopyProgress;
  readonly rebootRequired: boolean;
  readonly elapsedMs: number;
}

/** Something that happened, kept until the server has acknowledged it. */
export interface ReportedEvent {
  /** A UUID. */
  readonly id: string;
  /** This device's count of its events, from 1. */
  readonly number: number;
  /** Seconds since 1970 UTC by the wall clock, which may be wrong. */
  readonly occurredAtS: number;
  readonly state: StateName;
  readonly attempt?: ReportedAttempt;
  readonly message: string;
}
