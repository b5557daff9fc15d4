import { sql } from "kysely";

import type { Db } from "../db/database.ts";
import type { StoredOutcomes } from "./stored-release.ts";

export const NO_OUTCOMES: StoredOutcomes = {
  applied: 0n,
  rolledBack: 0n,
  failed: 0n,
  inProgress: 0n,
  outstanding: 0n,
  silent: 0n,
};

/** By the number of the contract's Outcome. An interrupted or superseded attempt is no verdict. */
const FIELD_OF_OUTCOME: Readonly<Record<number, keyof StoredOutcomes>> = {
  0: "inProgress",
  1: "applied",
  2: "rolledBack",
  3: "failed",
  4: "outstanding",
  5: "outstanding",
  6: "outstanding",
  7: "failed",
};

/**
 * The devices that may have a release: accepted, of one of its targets, not past
 * it and not pinned below it. `p` is a place (release and target), `f` a device.
 */
const MAY_HAVE = sql`
  f.target = p.target and f.committed < p.revision
  and (f.pinned_revision = 0 or f.pinned_revision >= p.revision)`;

/**
 * Whether a device heard of the release and has been silent for too long since:
 * it reported last while the release was the newest for its target and was held
 * back by neither its rollout nor, where it is the newest still, the channel.
 */
const IS_SILENT = sql`
  f.last_seen_at >= p.offered_since
  and (p.rollout_paused_at is null or f.last_seen_at < p.rollout_paused_at)
  and (p.next_at is null or f.last_seen_at < p.next_at)
  and (p.next_at is not null or
       case when p.paused then f.last_seen_at < p.pause_changed_at
            else f.last_seen_at >= p.pause_changed_at end)
  and f.last_seen_at < now() - p.device_timeout_ms * interval '1 millisecond'`;

/**
 * Counts devices, each by its newest attempt at the revision; see the contract's
 * ReleaseOutcomes. The fleet is grouped once for all revisions, and of the attempts
 * only their index is read.
 */
export async function outcomesOf(
  db: Db,
  channel: string,
  revisions: readonly bigint[],
): Promise<ReadonlyMap<bigint, StoredOutcomes>> {
  const rows = await sql<{
    revision: bigint;
    outcome: number | null;
    devices: bigint;
    silent: boolean;
  }>`
    with ${places(channel, revisions)}, ${fleet(channel)}, newest as (
      select w.revision, n.device_id, n.outcome
        from (${listed(revisions)}) as w(revision)
       cross join lateral (
         select distinct on (a.device_id) a.device_id, a.outcome from attempt a
          where a.channel = ${channel} and a.revision = w.revision
          order by a.device_id, a.first_reported_at desc, a.attempt_id desc) n
    ), groups as materialized (
      select target, committed, pinned_revision, count(*) as devices from fleet group by 1, 2, 3
    ), begun as materialized (
      select n.revision, n.outcome, (${MAY_HAVE}) is true as may_have,
             (f.committed = p.revision) is true as has, count(*) as devices
        from newest n
        left join fleet f on f.id = n.device_id
        left join places p on p.revision = n.revision and p.target = f.target
       group by 1, 2, 3, 4
    )
    select revision, outcome, devices, false as silent from begun
     where outcome in (1, 2, 3, 7) or may_have
    union all
    select p.revision, null, sum(f.devices)::bigint, false
      from places p join groups f on ${MAY_HAVE} group by 1
    union all
    select revision, null, -sum(devices)::bigint, false from begun where may_have group by 1
    union all
    select p.revision, 1, sum(f.devices)::bigint, false
      from places p join groups f on f.target = p.target and f.committed = p.revision group by 1
    union all
    select revision, 1, -sum(devices)::bigint, false from begun
     where has and outcome in (1, 2, 3, 7) group by 1
    union all
    select revision, outcome, count(*), true
      from (select p.revision, ${newestOutcome(channel)} as outcome
              from places p join fleet f on ${MAY_HAVE} and ${IS_SILENT}) heard
     where outcome is null or outcome not in (1, 2, 3, 7)
     group by 1, 2`.execute(db);
  const counts = new Map<bigint, StoredOutcomes>();
  for (const { revision, outcome, devices, silent } of rows.rows) {
    const field = outcome === null ? "outstanding" : FIELD_OF_OUTCOME[outcome];
    // An outcome of a later contract: counted nowhere rather than wrongly.
    if (field === undefined) continue;
    const before = counts.get(revision) ?? NO_OUTCOMES;
    counts.set(
      revision,
      silent
        ? { ...before, silent: before.silent + devices, [field]: before[field] - devices }
        : { ...before, [field]: before[field] + devices },
    );
  }
  return counts;
}

/** Of a device's newest attempt at the release; null: there is none. */
function newestOutcome(channel: string) {
  return sql`(select a.outcome from attempt a
               where a.channel = ${channel} and a.revision = p.revision and a.device_id = f.id
               order by a.first_reported_at desc, a.attempt_id desc limit 1)`;
}

/** A release that a device heard of and has kept silent about for too long. */
export interface Silence {
  readonly revision: bigint;
  readonly deviceTimeoutMs: bigint;
}

/** The release for which a device counts as silent; undefined: none. */
export async function findSilence(db: Db, deviceId: string): Promise<Silence | undefined> {
  const device = await db
    .selectFrom("device")
    .where("id", "=", deviceId)
    .select("channel")
    .executeTakeFirst();
  if (device === undefined) return undefined;
  const { channel } = device;
  const rows = await sql<{ revision: bigint; device_timeout_ms: bigint }>`
    with ${places(channel, undefined)}, ${fleet(channel, deviceId)}
    select p.revision, p.device_timeout_ms
      from places p join fleet f on ${MAY_HAVE} and ${IS_SILENT}
     where coalesce(${newestOutcome(channel)}, 0) not in (1, 2, 3, 7)
     order by p.revision desc limit 1`.execute(db);
  const [row] = rows.rows;
  return row && { revision: row.revision, deviceTimeoutMs: row.device_timeout_ms };
}

/**
 * Each release with each of its targets, and when the next one for the target came.
 *
 * @param revisions undefined: those that are the newest for a target.
 */
function places(channel: string, revisions: readonly bigint[] | undefined) {
  const wanted =
    revisions === undefined
      ? sql`next.published_at is null`
      : sql`m.revision in (${listed(revisions)})`;
  return sql`places as materialized (
    select m.revision, m.target, next.published_at as next_at, c.paused, c.pause_changed_at,
           r.offered_since, r.device_timeout_ms,
           case when r.state = 'paused' then r.changed_at end as rollout_paused_at
      from manifest m
      join channel c on c.name = m.channel
      join rollout r on r.channel = m.channel and r.revision = m.revision
      left join lateral (
        select l.published_at from manifest n
          join release l on l.channel = n.channel and l.revision = n.revision
         where n.channel = m.channel and n.target = m.target and n.revision > m.revision
         order by n.revision limit 1) next on true
     where m.channel = ${channel} and ${wanted})`;
}

function listed(revisions: readonly bigint[]) {
  const text = JSON.stringify(revisions.map(String));
  return sql`select value::bigint from jsonb_array_elements_text(${text}::text::jsonb) as value`;
}

function fleet(channel: string, deviceId?: string) {
  const which = deviceId === undefined ? sql`true` : sql`d.id = ${deviceId}`;
  return sql`fleet as materialized (
    select d.id, d.target, d.pinned_revision, s.last_seen_at,
           coalesce(s.committed_revision, 0) as committed
      from device d left join device_status s on s.device_id = d.id
     where d.channel = ${channel} and d.standing = 'accepted' and ${which})`;
}
