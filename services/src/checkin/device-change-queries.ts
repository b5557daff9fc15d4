import { toHex } from "@nix-ota/proto/hash";
import { sql, type RawBuilder } from "kysely";

import { announceChannels } from "../db/announce.ts";
import type { Db } from "../db/database.ts";
import { allowTime } from "../db/statement-time.ts";
import { OtaError } from "../ota-error.ts";
import { type DeviceChange, MOST_TAGS, type Selection } from "./device-change.ts";
import { conditionOf } from "./device-condition.ts";
import type { DeviceFilter } from "./device-filter.ts";

/** Ids that are told of the devices that were changed. */
const MOST_TOLD = 100;
/** Devices whose state before is told. */
const MOST_BEFORE = 20;

/** Orders about a whole fleet take longer than a statement of a device may; below the longest that a call may take. */
const LONGEST_ORDER_MS = 50_000;

/** Whom an order is about, and what its giver may. */
export interface Ordered {
  readonly which: Selection<DeviceFilter>;
  /** Channels whose devices the giver may steer. */
  readonly operable: "all" | readonly string[];
  readonly nowMs: number;
  /** Only to say what would become of it. */
  readonly isDryRun: boolean;
}

/**
 * What became of an order. Whoever finds one of the first three set undoes the
 * transaction.
 */
export interface OrderOutcome {
  /** A named id that nobody has. */
  readonly unknownId: string | undefined;
  /** Channel of a device that the giver may not steer. */
  readonly closedChannel: string | undefined;
  /** A device that would have too many tags. */
  readonly crowdedId: string | undefined;
  /** Devices that were changed: those that are so already are not. */
  readonly deviceCount: bigint;
  /** The first of them, sorted, at most 100. */
  readonly deviceIds: readonly string[];
  /** How the first 20 of them were. */
  readonly before: readonly object[];
}

interface OutcomeRow {
  readonly unknown_id: string | null;
  readonly closed_channel: string | null;
  readonly crowded_id: string | null;
  readonly device_count: bigint;
  readonly device_ids: string[];
  readonly before: object[];
  /** Channels of theirs that there are. */
  readonly channels: string[];
}

/**
 * Changes devices in one statement, however many: none of them comes into this
 * process. They are held in the order of their ids until the transaction ends.
 */
export async function changeDevices(
  db: Db,
  ordered: Ordered,
  change: DeviceChange,
): Promise<OrderOutcome> {
  await allowTime(db, LONGEST_ORDER_MS);
  const { isDryRun } = ordered;
  const { publicKey } = change;
  const key = publicKey === undefined ? sql`d.public_key` : bytes(publicKey);
  const conflict = publicKey === undefined ? sql`d.key_conflict_at` : sql`null::timestamptz`;
  const { rows } = await sql<OutcomeRow>`
    with hit as materialized (
      select d.*, ${tagsAfter(change)} as next_tags,
             ${change.standing ?? null}::text as next_standing,
             ${int8(change.pinnedRevision)} as next_pin, ${int8(change.retryRevision)} as next_retry,
             ${key} as next_key, ${conflict} as next_conflict
        from device d left join device_status s on s.device_id = d.id
       where ${chosen(ordered)} order by d.id
       ${isDryRun ? sql`` : sql`for no key update of d`}
    ), changing as materialized (
      select * from hit
       where next_tags <> tags or next_standing <> standing or next_pin <> pinned_revision
          or next_retry <> retry_revision or next_key <> public_key
          or next_conflict is distinct from key_conflict_at
    ), changed as (
      update device d set
        tags = c.next_tags, standing = coalesce(c.next_standing, d.standing),
        pinned_revision = coalesce(c.next_pin, d.pinned_revision),
        retry_revision = coalesce(c.next_retry, d.retry_revision),
        public_key = c.next_key, key_conflict_at = c.next_conflict,
        key_epoch = d.key_epoch + case when c.next_key = d.public_key then 0 else 1 end
        from changing c where d.id = c.id and ${!isDryRun}::boolean
    )
    select ${told(ordered)},
           (select min(id) from changing where cardinality(next_tags) > greatest(${MOST_TAGS}, cardinality(tags)))
             as crowded_id`.execute(db);
  return await announced(db, ordered, rows[0]);
}

/**
 * Deletes devices with all that is known of them. An id that is enrolled again
 * goes on at the epoch after the one it had, so no session of before is taken.
 *
 * Reports hold a device's status before the device: so does this, or the two
 * could wait for each other.
 */
export async function forgetDevices(db: Db, ordered: Ordered): Promise<OrderOutcome> {
  await allowTime(db, LONGEST_ORDER_MS);
  const { isDryRun } = ordered;
  const held = isDryRun
    ? sql``
    : sql`, statuses as materialized (
      select device_id from device_status
       where device_id in (select id from changing) order by device_id for update
    ), devices as materialized (
      select id from device where id in (select id from changing)
         and (select count(*) from statuses) >= 0 order by id for update
    ), deleted as (
      delete from device d using devices h where d.id = h.id
      returning d.id, d.key_epoch, d.enrolled_by
    ), kept as (
      insert into forgotten_device (id, key_epoch) select id, key_epoch from deleted
      on conflict (id) do update set forgotten_at = now(),
        key_epoch = greatest(forgotten_device.key_epoch, excluded.key_epoch)
    ), uncounted as (
      update open_enrolment set device_count = greatest(0, device_count
        - (select count(*) from deleted where enrolled_by not like 'token:%'))
    )`;
  const { rows } = await sql<OutcomeRow>`
    with hit as materialized (
      select d.* from device d left join device_status s on s.device_id = d.id
       where ${chosen(ordered)}
    ), changing as (select * from hit) ${held}
    select ${told(ordered)}, null as crowded_id`.execute(db);
  return await announced(db, ordered, rows[0]);
}

function chosen({ which, nowMs }: Ordered): RawBuilder<unknown> {
  if (which.kind === "found") return conditionOf(which.filter, nowMs);
  return sql`d.id in (select jsonb_array_elements_text(${JSON.stringify(which.ids)}::text::jsonb))`;
}

/** What is told of `hit` and `changing`. */
function told({ which, operable }: Ordered): RawBuilder<unknown> {
  const names = JSON.stringify(which.kind === "named" ? which.ids : []);
  const mayAll = operable === "all";
  const mayOn = JSON.stringify(mayAll ? [] : operable);
  return sql`
    (select min(name) from jsonb_array_elements_text(${names}::text::jsonb) name
      where name not in (select id from hit)) as unknown_id,
    (select min(channel) from hit where not ${mayAll}::boolean and channel not in (
       select jsonb_array_elements_text(${mayOn}::text::jsonb))) as closed_channel,
    (select count(*) from changing) as device_count,
    (select coalesce(jsonb_agg(id order by id), '[]') from (
       select id from changing order by id limit ${MOST_TOLD}) c) as device_ids,
    (select coalesce(jsonb_agg(jsonb_build_object(
         'id', id, 'channel', channel, 'standing', standing, 'tags', tags,
         'pinnedRevision', pinned_revision::text, 'retryRevision', retry_revision::text,
         'publicKey', encode(public_key, 'hex'), 'keyEpoch', key_epoch) order by id), '[]')
       from (select * from changing order by id limit ${MOST_BEFORE}) c) as before,
    (select coalesce(jsonb_agg(name), '[]') from channel
      where name in (select channel from changing)) as channels`;
}

function tagsAfter({ addTags, removeTags }: DeviceChange): RawBuilder<unknown> {
  if (addTags.length + removeTags.length === 0) return sql`d.tags`;
  return sql`array(
    select distinct tag collate "C" from (
      select unnest(d.tags) as tag
      union all select jsonb_array_elements_text(${JSON.stringify(addTags)}::text::jsonb)) tagged
     where tag not in (select jsonb_array_elements_text(${JSON.stringify(removeTags)}::text::jsonb))
     order by 1)`;
}

/** Null: as it is. */
function int8(revision: bigint | undefined): RawBuilder<unknown> {
  return sql`${revision === undefined ? null : String(revision)}::text::bigint`;
}

function bytes(value: Uint8Array): RawBuilder<unknown> {
  return sql`decode(${toHex(value)}::text, 'hex')`;
}

/** Has every process decide anew about the devices that were changed. */
async function announced(
  db: Db,
  { isDryRun }: Ordered,
  row: OutcomeRow | undefined,
): Promise<OrderOutcome> {
  if (row === undefined) throw new OtaError("INTERNAL", "a select without from has one row");
  if (!isDryRun && row.channels.length > 0) await announceChannels(db, row.channels);
  return {
    unknownId: row.unknown_id ?? undefined,
    closedChannel: row.closed_channel ?? undefined,
    crowdedId: row.crowded_id ?? undefined,
    deviceCount: row.device_count,
    deviceIds: row.device_ids,
    before: row.before,
  };
}
