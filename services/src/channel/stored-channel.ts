import type { EnrolmentMode } from "../enrolment-mode.ts";

/** A channel with its keys, as stored. */
export interface StoredChannel {
  readonly name: string;
  readonly headRevision: bigint;
  readonly threshold: number;
  readonly paused: boolean;
  /** Null: as the server's default says. */
  readonly enrolment: EnrolmentMode | null;
  /** Of the plan of a publish that brings none. */
  readonly deviceTimeoutMs: bigint;
  readonly createdAt: Date;
  readonly keys: readonly { readonly publicKey: Uint8Array; readonly name: string }[];
}
