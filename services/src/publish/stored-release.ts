/** A release with its manifests, as stored. */
export interface StoredRelease {
  readonly channel: string;
  readonly revision: bigint;
  readonly publishedBy: string;
  readonly publishedAt: Date;
  readonly rollout: StoredRollout;
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

/** Whether a release is offered, as stored. */
export interface StoredRollout {
  readonly channel: string;
  readonly revision: bigint;
  readonly state: "running" | "paused";
  readonly changedAt: Date;
  /** Name of the token that paused or resumed it; empty: it runs since the publish. */
  readonly changedBy: string;
  /** Since when devices are offered it. */
  readonly offeredSince: Date;
  readonly deviceTimeoutMs: bigint;
  /** Whether each of its targets has a newer manifest. */
  readonly superseded: boolean;
  /** Whether the whole channel is held back. */
  readonly channelPaused: boolean;
}

/** Devices by how their last attempt at the release ended. */
export interface StoredOutcomes {
  readonly applied: bigint;
  readonly rolledBack: bigint;
  readonly failed: bigint;
  readonly inProgress: bigint;
  readonly outstanding: bigint;
  readonly silent: bigint;
}
