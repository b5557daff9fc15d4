import type { FailureCode } from "@nix-ota/proto/nixota/v1/device_pb";

/** What failed, as the contract names it. */
export type FailureCodeName = Exclude<keyof typeof FailureCode, "UNSPECIFIED">;

/** What failed and one sentence for a person: cause and remedy. */
export interface Failure {
  readonly code: FailureCodeName;
  readonly message: string;
}

interface Traits {
  /** How often a copy that failed so is begun again within one attempt. */
  readonly copies: "all tries" | "few tries" | "no more";
  /** Whether the closure itself is to blame, so that trying it again would end the same way. */
  readonly ownFault: boolean;
}

/**
 * What each failure means for trying again.
 *
 * What a cache does wrong is never the closure's fault: a poisoned cache that heals must not have
 * shut the release out for good.
 */
// oxfmt-ignore
export const failureTraits: Record<FailureCodeName, Traits> = {
  UNTRUSTED_PATH:      { copies: "no more",   ownFault: false },
  CORRUPT_CACHE:       { copies: "few tries", ownFault: false },
  DIGEST_MISMATCH:     { copies: "no more",   ownFault: false },
  NOT_IN_CACHE:        { copies: "all tries", ownFault: false },
  CACHE_DENIED:        { copies: "few tries", ownFault: false },
  CACHE_UNREACHABLE:   { copies: "all tries", ownFault: false },
  CACHE_STALLED:       { copies: "all tries", ownFault: false },
  TOO_MUCH_DATA:       { copies: "no more",   ownFault: false },
  NO_SPACE:            { copies: "no more",   ownFault: false },
  WRONG_SYSTEM:        { copies: "no more",   ownFault: true  },
  ORPHANED:            { copies: "no more",   ownFault: true  },
  NOT_A_SYSTEM:        { copies: "no more",   ownFault: true  },
  ACTIVATION_REFUSED:  { copies: "no more",   ownFault: false },
  ACTIVATION_FAILED:   { copies: "no more",   ownFault: true  },
  ACTIVATION_TIMEOUT:  { copies: "no more",   ownFault: true  },
  UNITS_FAILED:        { copies: "no more",   ownFault: true  },
  HEALTH_FAILED:       { copies: "no more",   ownFault: true  },
  HEALTH_NOT_RUN:      { copies: "no more",   ownFault: true  },
  CONTACT_LOST:        { copies: "no more",   ownFault: false },
  AGENT_UNFIT:         { copies: "no more",   ownFault: true  },
  COMMIT_FAILED:       { copies: "no more",   ownFault: false },
  NO_WAY_BACK:         { copies: "no more",   ownFault: false },
  ROLLBACK_FAILED:     { copies: "no more",   ownFault: true  },
  STATE_UNWRITABLE:    { copies: "no more",   ownFault: false },
  REBOOTED:            { copies: "no more",   ownFault: false },
  LINKS_CHANGED:       { copies: "no more",   ownFault: false },
  BOOT_FELL_BACK:      { copies: "no more",   ownFault: true  },
  TOOL_FAILED:         { copies: "few tries", ownFault: false },
  BY_HAND:             { copies: "no more",   ownFault: true  },
  SWITCH_BUSY:         { copies: "no more",   ownFault: false },
  OVERDUE:             { copies: "no more",   ownFault: false },
};

/** Copies of one closure within one attempt before it ends, by how hopeful the failure is. */
export const copyTries: Record<Traits["copies"], number> = {
  "all tries": 8,
  "few tries": 3,
  "no more": 1,
};
