import type { ColumnType, Generated, Kysely, Transaction } from "kysely";

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
}

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
  /** How an unknown device comes to the channel. */
  enrolment: Generated<"open" | "token" | "approve">;
  created_at: Stamp;
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

/** Constraints that callers are told of; the migrations use the same names. */
export const CONSTRAINTS = {
  headNeverFalls: "channel_head_never_falls",
  manifestPayloadOnce: "manifest_payload_once",
  manifestListingKnown: "manifest_listing_known",
  listingDigest: "listing_digest_is_sha256",
} as const;

/** Channel of NOTIFY on which a publish announces the channel's name. A hint: heads are re-read. */
export const HEAD_NOTIFICATION = "nix_ota_head";
