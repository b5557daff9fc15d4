import type { Standing } from "../standing.ts";

/** A device as stored. */
export interface StoredDevice {
  readonly id: string;
  readonly channel: string;
  readonly target: string;
  readonly standing: Standing;
  readonly publicKey: Uint8Array;
  readonly keyEpoch: number;
  readonly tags: readonly string[];
  /** 0: none. */
  readonly pinnedRevision: bigint;
  /** Revision an operator wishes it to try once more; 0: none. */
  readonly retryRevision: bigint;
  readonly enrolledAt: Date;
  /** `open`, `approve`, or `token:<id>`. */
  readonly enrolledBy: string;
  /** When another key was presented for the id last; undefined: never since the key was pinned. */
  readonly keyConflictAt: Date | undefined;
  /** The encoded Inventory; undefined before the first one. */
  readonly inventory: Uint8Array | undefined;
  /** Its newest report; undefined: it never reported. */
  readonly status: StoredStatus | undefined;
  /** The encoded Attempt under way or ended last; undefined: none yet. */
  readonly attempt: Uint8Array | undefined;
}

/** The newest report of a device. */
export interface StoredStatus {
  readonly sequence: bigint;
  /** Number of the contract's AgentState. */
  readonly state: number;
  readonly running: string;
  readonly booted: string;
  readonly profile: string;
  readonly floorRevision: bigint;
  readonly floorSha256: Uint8Array;
  readonly committedRevision: bigint;
  readonly agentVersion: string;
  readonly agentLevel: bigint;
  /** Hexadecimal. */
  readonly pinnedKeyIds: readonly string[];
  readonly quarantinedRevisions: readonly bigint[];
  readonly lastSeenAt: Date;
  /** When two live machines were seen under the key last; undefined: never. */
  readonly clonedAt: Date | undefined;
}
