/** A release with its manifests, as stored. */
export interface StoredRelease {
  readonly channel: string;
  readonly revision: bigint;
  readonly publishedBy: string;
  readonly publishedAt: Date;
  /** Whether it is its channel's head. */
  readonly isHead: boolean;
  /** Whether nothing is offered on the channel. */
  readonly paused: boolean;
  readonly manifests: readonly StoredReleaseManifest[];
  readonly outcomes: StoredOutcomes;
}

export interface StoredReleaseManifest {
  readonly target: string;
  /** Empty in lists, which would grow to tens of megabytes. */
  readonly envelope: Uint8Array;
  readonly payloadSha256: Uint8Array;
  readonly system: string;
  readonly storePath: string;
  readonly closureBytes: bigint;
  readonly closureDigest: Uint8Array;
  readonly issuedAtS: bigint;
  readonly notAfterS: bigint;
  readonly message: string;
  readonly sourceRevision: string;
  readonly keyIds: readonly Uint8Array[];
}

/** Devices by how their last attempt at the release ended. */
export interface StoredOutcomes {
  readonly applied: bigint;
  readonly rolledBack: bigint;
  readonly failed: bigint;
  readonly inProgress: bigint;
  readonly outstanding: bigint;
}
