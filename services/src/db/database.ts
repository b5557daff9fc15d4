import type { ColumnType, Generated, Kysely, Transaction } from "kysely";

import type { EnrolmentMode } from "../enrolment-mode.ts";
import type { Standing } from "../standing.ts";

/**
 * Every table: what a row means and which feature writes it. Any queries file
 * may read any table; only the owner named here writes.
 *
 * int8 is read as bigint on both databases. Enumerations of the contract are
 * kept by their numbers; keys, digests and signatures as bytea.
 */
export interface Database {
  channel: ChannelTable;
  channel_key: ChannelKeyTable;
  listing: ListingTable;
  release: ReleaseTable;
  manifest: ManifestTable;
  manifest_signature: ManifestSignatureTable;
  audit: AuditTable;
  device: DeviceTable;
  device_status: DeviceStatusTable;
  attempt: AttemptTable;
  device_event: DeviceEventTable;
  rollout: RolloutTable;
  returned_manifest: ReturnedManifestTable;
  operator_token: OperatorTokenTable;
  console_session: ConsoleSessionTable;
  enrolment_token: EnrolmentTokenTable;
  forgotten_device: ForgottenDeviceTable;
  open_enrolment: OpenEnrolmentTable;
  installation: InstallationTable;
}

/** Every table by its name: what an export holds. */
export const TABLES: Readonly<Record<keyof Database, true>> = {
  channel: true,
  channel_key: true,
  listing: true,
  release: true,
  manifest: true,
  manifest_signature: true,
  audit: true,
  device: true,
  device_status: true,
  attempt: true,
  device_event: true,
  rollout: true,
  returned_manifest: true,
  operator_token: true,
  console_session: true,
  enrolment_token: true,
  forgotten_device: true,
  open_enrolment: true,
  installation: true,
};

/** The database, or a transaction in it: what every query takes first. */
export type Db = Kysely<Database> | Transaction<Database>;

type Int8 = ColumnType<bigint, bigint | number, bigint | number>;
/** Written once, by the database's clock. */
type Stamp = ColumnType<Date, never, never>;

/** A channel. Owner: publish (made by its first publish). */
interface ChannelTable {
  name: string;
  /** Highest published revision, 0 before the first; a trigger keeps it from falling. */
  head_revision: ColumnType<bigint, bigint | undefined, bigint>;
  /** How many distinct keys have to sign. */
  threshold: number;
  /** While true nothing is offered. */
  paused: Generated<boolean>;
  /** When `paused` changed last: what a device heard before says nothing of what is offered since. */
  pause_changed_at: ColumnType<Date, never, Date>;
  /** Of the plan of a publish that brings none; as in `rollout`. */
  device_timeout_ms: ColumnType<bigint, bigint | undefined, bigint>;
  /** How an unknown device comes to the channel; null: as the server's default says. */
  enrolment: ColumnType<
    EnrolmentMode | null,
    EnrolmentMode | null | undefined,
    EnrolmentMode | null
  >;
  created_at: Stamp;
  /**
   * Rises, by a trigger, with every change of the row: what tells a process that
   * offers on the channel have to be decided anew. Who changes a rollout or a
   * device of the channel updates the row for it (`announceChannel`).
   */
  version: ColumnType<bigint, never, never>;
}

/** A key by which the server checks what is published. Owner: publish. */
interface ChannelKeyTable {
  channel: string;
  public_key: Uint8Array;
  /** For people; empty when it has none. */
  name: string;
  /** Order in which the keys were given, from 0. */
  position: number;
}

/** A closure's listing by its digest; never changed. Owner: publish. */
interface ListingTable {
  digest: Uint8Array;
  content: Uint8Array;
  stored_at: Stamp;
}

/** One (channel, revision); never changed. Owner: publish. */
interface ReleaseTable {
  channel: string;
  revision: Int8;
  /** Name of the token. */
  published_by: string;
  published_at: Stamp;
}

/**
 * One manifest of a release. `envelope` is what is served and verified; every
 * other column is an index derived from its payload. Owner: publish, which
 * only ever adds signatures.
 */
interface ManifestTable {
  channel: string;
  target: string;
  revision: Int8;
  /** The encoded SignedManifest as it was published, with signatures added since. */
  envelope: Uint8Array;
  payload_sha256: Uint8Array;
  system: string;
  store_path: string;
  closure_bytes: ColumnType<string, string, never>;
  /** Null: contents not pinned. */
  closure_digest: Uint8Array | null;
  issued_at_s: Int8;
  not_after_s: Int8;
  message: string;
  source_revision: string;
  /** Channel that its devices may move to; empty: none. */
  next_channel: Generated<string>;
}

/** A signature that verified under a key of the channel. Owner: publish. */
interface ManifestSignatureTable {
  channel: string;
  target: string;
  revision: Int8;
  public_key: Uint8Array;
  key_id: Uint8Array;
  added_at: Stamp;
}

/** What an operator changed; a trigger keeps rows from being changed. Owner: every operator call. */
interface AuditTable {
  id: Generated<bigint>;
  at: Stamp;
  /** Name of the token. */
  actor: string;
  /** The call, e.g. `Publish`. */
  action: string;
  /** What it was done to, e.g. `prod r42`. */
  subject: string;
  /** Network address it came from. */
  address: string;
  /** JSON; null when there was nothing. */
  before: unknown;
  after: unknown;
}

/** Who a device is; written rarely. Owner: checkin. */
interface DeviceTable {
  id: string;
  channel: string;
  target: string;
  standing: Standing;
  /** Its own ed25519 key. */
  public_key: Uint8Array;
  /** How often the key was replaced, from 1. */
  key_epoch: Generated<number>;
  /** Labels given by operators. */
  tags: Generated<string[]>;
  /** Revision an operator keeps it on; 0: none. */
  pinned_revision: ColumnType<bigint, bigint | undefined, bigint>;
  /** Revision an operator wishes it to try once more; 0: none. */
  retry_revision: ColumnType<bigint, bigint | undefined, bigint>;
  /** The contract's encoded Inventory; null before the first one. */
  inventory: Uint8Array | null;
  /** Its kind of machine out of the inventory; empty before the first one. */
  system: Generated<string>;
  enrolled_at: Stamp;
  /** `open`, `approve`, or `token:<id>`; empty: before it was kept. */
  enrolled_by: Generated<string>;
  /** When another key was presented for the id last; null: never. */
  key_conflict_at: Date | null;
}

/**
 * The newest report of a device: the hot row. No index may hold a column that
 * a report changes, or updates stop being heap-only. Owner: checkin.
 */
interface DeviceStatusTable {
  device_id: string;
  /** With `sequence` the order of reports: an older one changes nothing. */
  key_epoch: number;
  sequence: Int8;
  boot_id: string;
  state: number;
  running: string;
  booted: string;
  profile: string;
  floor_revision: Int8;
  floor_sha256: Uint8Array;
  committed_revision: Int8;
  /** The attempt under way or ended last; null: none yet. */
  attempt_id: string | null;
  agent_version: string;
  agent_level: Int8;
  /** Hexadecimal ids of the manifest keys it pins. */
  pinned_key_ids: string[];
  quarantined_revisions: bigint[];
  last_seen_at: Stamp;
  /** The boot before `boot_id`; empty: none yet. A report that returns to it comes from a clone. */
  other_boot_id: Generated<string>;
  /** When two live machines were seen under the key last; null: never. */
  cloned_at: Date | null;
}

/** One try of a device at one revision. Owner: checkin. */
interface AttemptTable {
  device_id: string;
  attempt_id: string;
  channel: string;
  revision: Int8;
  outcome: number;
  failure_code: number;
  /** The contract's encoded Attempt: what devices write never has to be text for a database. */
  detail: Uint8Array;
  /** The attempts of one report are a microsecond apart, in the order in which they began. */
  first_reported_at: Stamp;
  changed_at: Stamp;
}

/**
 * What happened on a device; append-only, partitioned by month of receipt.
 * One (device, event id) is kept once: the writer holds the device's status
 * row while it looks, since no unique index spans partitions. Owner: checkin.
 */
interface DeviceEventTable {
  device_id: string;
  event_id: string;
  /** The device's count of its events. */
  number: ColumnType<string, string, never>;
  received_at: Stamp;
  /** The contract's encoded DeviceEvent, without `receivedAt`. */
  detail: Uint8Array;
}

/** Whether a release is offered. One row a release. Owner: publish. */
interface RolloutTable {
  channel: string;
  revision: Int8;
  state: Generated<"running" | "paused">;
  changed_at: ColumnType<Date, Date | undefined, Date>;
  /** Name of the token; empty: the publish itself. */
  changed_by: Generated<string>;
  /** Since when devices are offered it: a device that reported after it was told. */
  offered_since: ColumnType<Date, Date | undefined, Date>;
  /** How long a device may be silent after it was offered the release, a minute to a year. */
  device_timeout_ms: ColumnType<bigint, bigint | undefined, never>;
}

/**
 * A manifest above the head that a device gave back after the restoration of an
 * older backup; verified under the channel's keys. Owner: channel.
 */
interface ReturnedManifestTable {
  channel: string;
  target: string;
  revision: Int8;
  payload_sha256: Uint8Array;
  envelope: Uint8Array;
  /** The device that returned it first. */
  device_id: string;
  received_at: Stamp;
}

/** What an operator or CI calls with. Owner: access. */
interface OperatorTokenTable {
  /** Public part. */
  id: string;
  name: string;
  secret_sha256: Uint8Array;
  scopes: string[];
  created_at: Stamp;
  /** Name of the token that made it; empty: the server at its first start. */
  created_by: string;
  expires_at: Date | null;
  revoked_at: Date | null;
  /** Set by the restoration of a backup, until an admin confirms the token. */
  suspended_at: Date | null;
  /** To the minute. */
  last_used_at: Date | null;
}

/** A person signed in at the console. Owner: access. */
interface ConsoleSessionTable {
  /** Of the cookie's value. */
  id_sha256: Uint8Array;
  /** The token it was opened with; null: the publish token. */
  token_id: string | null;
  /** sha256 of that token's secret: a replaced publish token ends its sessions. */
  secret_sha256: Uint8Array;
  created_at: Stamp;
  /** To the minute. */
  last_used_at: ColumnType<Date, Date | undefined, Date>;
}

/** What devices enrol with. Owner: access; `uses` is counted by checkin in the transaction that pins a device. */
interface EnrolmentTokenTable {
  id: string;
  channel: string;
  secret_sha256: Uint8Array;
  max_uses: number;
  uses: Generated<number>;
  created_at: Stamp;
  created_by: string;
  expires_at: Date;
  revoked_at: Date | null;
  suspended_at: Date | null;
}

/** A device that was deleted: its id goes on from the key epoch it had. Owner: checkin. */
interface ForgottenDeviceTable {
  id: string;
  key_epoch: number;
  forgotten_at: ColumnType<Date, Date | undefined, Date>;
}

/**
 * One row: how many devices came without an enrolment token. Whoever pins or
 * deletes such a device counts in the same transaction. Owner: checkin.
 */
interface OpenEnrolmentTable {
  id: Generated<number>;
  device_count: Int8;
  window_began_at: ColumnType<Date, Date | undefined, Date>;
  /** Those of them that came since. */
  window_count: Generated<number>;
}

/** One row about the database as a whole. Owner: db. */
interface InstallationTable {
  id: Generated<number>;
  /** Part of every device session's tag: a new one voids them all. */
  session_salt: Generated<Uint8Array>;
  /** When it was restored from a backup last; null: never. */
  restored_at: Date | null;
}

/** Constraints that callers are told of; the migrations use the same names. */
export const CONSTRAINTS = {
  headNeverFalls: "channel_head_never_falls",
  manifestPayloadOnce: "manifest_payload_once",
  listingDigest: "listing_digest_is_sha256",
} as const;

/**
 * Channel of NOTIFY on which the name of a channel is announced whose `version`
 * rose. A hint: versions are re-read.
 */
export const HEAD_NOTIFICATION = "nix_ota_head";
