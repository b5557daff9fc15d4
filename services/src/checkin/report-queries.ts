import { sql, type Kysely, type Transaction } from "kysely";

import type { HeadFacts } from "../channel/offer.ts";
import type { Database } from "../db/database.ts";
import type { EnrolmentMode } from "../enrolment-mode.ts";
import type { Standing } from "../standing.ts";
import type { ReportRow } from "./report-row.ts";
import type { ReportOutcome } from "./report-writer.ts";

/**
 * Makes a batch of reports durable in one transaction of at most three
 * statements, whatever its size. Of each device there may be one report.
 *
 * An older report changes neither status nor attempts; its events count, each
 * id once. A device that may not report leaves nothing behind.
 *
 * @param enrolment How devices come to channels that do not say.
 */
export async function commitReports(
  db: Kysely<Database>,
  rows: readonly ReportRow[],
  enrolment: EnrolmentMode,
): Promise<readonly ReportOutcome[]> {
  return await db.transaction().execute(async (transaction) => {
    const written = await writeStatus(transaction, rows, enrolment);
    const admitted = rows.filter(({ deviceId }) => written.get(deviceId)?.admitted === true);
    const granted = await writeAttempts(
      transaction,
      admitted.flatMap(({ deviceId, attempts }) => {
        const fresh = written.get(deviceId)?.fresh === true;
        return attempts.map((attempt, place) => ({ deviceId, fresh, place, ...attempt }));
      }),
    );
    await writeEvents(
      transaction,
      admitted.flatMap(({ deviceId, events }) => events.map((event) => ({ deviceId, ...event }))),
    );
    return rows.map((row) => outcomeOf(row, written.get(row.deviceId), granted.has(row.deviceId)));
  });
}

/** What the first statement tells of a report. */
interface Written {
  readonly device_id: string;
  readonly found: boolean;
  readonly standing: Standing;
  readonly admitted: boolean;
  /** Whether it is the newest report of its device. */
  readonly fresh: boolean;
  readonly sequence: bigint;
  readonly retry_revision: bigint;
  readonly pinned_revision: bigint;
  readonly system: string;
  /** Null: there is no such channel. */
  readonly head_revision: bigint | null;
  readonly paused: boolean;
  /** Null: no manifest for the target. */
  readonly manifest_revision: bigint | null;
  readonly payload_sha256: Uint8Array;
  readonly manifest_system: string;
  readonly rollout_paused: boolean;
}

// The upsert holds the status row of every admitted device until the commit,
// also where its condition is not met: that orders the reports of a device
// across processes. Rows are taken by id, so two batches cannot block each
// other. What another process wrote while this waited for the row is not seen,
// only that it is not older: at least the report's own number is durable then.
// JSON goes through text: one driver would encode it twice else.
//
// A device strays when its newest report names a channel to which it may not
// move by itself: one that takes devices openly it may, and one to which a
// manifest of the channel it leaves sends it. It is parked there, to be accepted.
//
// A report that returns to the boot before the last one, or that has a number
// which another boot has used, comes from a second machine with the same key.
async function writeStatus(
  db: Transaction<Database>,
  rows: readonly ReportRow[],
  enrolment: EnrolmentMode,
): Promise<ReadonlyMap<string, Written>> {
  const result = await sql<Written>`
    with input as materialized (
      select * from jsonb_to_recordset(${json(rows)}::text::jsonb) as r(
        "deviceId" text, "keyEpoch" integer, sequence bigint, "bootId" text, channel text,
        target text, state integer, running text, booted text, profile text,
        "floorRevision" bigint, "floorSha256" text, "committedRevision" bigint,
        "attemptId" text, "agentVersion" text, "agentLevel" bigint, "pinnedKeyIds" text[],
        "quarantinedRevisions" bigint[], inventory text, system text)
    ), judged as (
      select i.*, d.id is not null as found, d.standing,
             case when d.channel = i.channel and d.retry_revision > i."committedRevision"
                  then d.retry_revision else 0 end as retry_revision,
             case when d.channel = i.channel then d.pinned_revision else 0 end as pinned_revision,
             coalesce(i.system, d.system, '') as shown_system,
             s.key_epoch as known_epoch, s.sequence as known_sequence,
             (d.standing = 'accepted' and d.key_epoch = i."keyEpoch") is true as speaks,
             case when d.channel = i.channel
                       or (s.key_epoch, s.sequence) >= (i."keyEpoch", i.sequence)
                  then false
                  else coalesce(c.enrolment, ${enrolment}::text) <> 'open' and not exists (
                    select from manifest m join channel left_behind on left_behind.name = m.channel
                     where m.channel = d.channel and m.target = d.target
                       and m.next_channel = i.channel
                       and m.revision <= left_behind.head_revision)
             end as strays
        from input i
        left join device d on d.id = i."deviceId"
        left join device_status s on s.device_id = i."deviceId"
        left join channel c on c.name = i.channel
    ), known as materialized (
      select *, speaks and not strays as admitted, speaks and strays as parks from judged
    ), written as (
      insert into device_status (
        device_id, key_epoch, sequence, boot_id, state, running, booted, profile,
        floor_revision, floor_sha256, committed_revision, attempt_id, agent_version, agent_level,
        pinned_key_ids, quarantined_revisions)
      select "deviceId", "keyEpoch", sequence, "bootId", state, running, booted, profile,
             "floorRevision", decode("floorSha256", 'hex'), "committedRevision", "attemptId",
             "agentVersion", "agentLevel", "pinnedKeyIds", "quarantinedRevisions"
        from known where admitted order by "deviceId"
      on conflict (device_id) do update set
        key_epoch = excluded.key_epoch, sequence = excluded.sequence, boot_id = excluded.boot_id,
        state = excluded.state, running = excluded.running, booted = excluded.booted,
        profile = excluded.profile, floor_revision = excluded.floor_revision,
        floor_sha256 = excluded.floor_sha256, committed_revision = excluded.committed_revision,
        attempt_id = excluded.attempt_id, agent_version = excluded.agent_version,
        agent_level = excluded.agent_level, pinned_key_ids = excluded.pinned_key_ids,
        quarantined_revisions = excluded.quarantined_revisions, last_seen_at = now(),
        other_boot_id = case
          when device_status.key_epoch <> excluded.key_epoch then ''
          when device_status.boot_id in ('', excluded.boot_id) then device_status.other_boot_id
          else device_status.boot_id end,
        cloned_at = case
          when device_status.key_epoch <> excluded.key_epoch then null
          when excluded.boot_id not in ('', device_status.boot_id)
               and excluded.boot_id = device_status.other_boot_id then now()
          else device_status.cloned_at end
       where (device_status.key_epoch, device_status.sequence)
             < (excluded.key_epoch, excluded.sequence)
      returning device_id
    ), moved as (
      update device d set
        channel = k.channel, target = k.target, system = k.shown_system,
        retry_revision = case when d.channel = k.channel
          and d.retry_revision > k."committedRevision" then d.retry_revision else 0 end,
        pinned_revision = case when d.channel = k.channel then d.pinned_revision else 0 end,
        inventory = coalesce(decode(k.inventory, 'base64'), d.inventory)
        from known k join written w on w.device_id = k."deviceId"
       where d.id = k."deviceId"
         and (row(d.channel, d.target) is distinct from row(k.channel, k.target)
              or d.retry_revision between 1 and k."committedRevision"
              or (k.inventory is not null
                  and d.inventory is distinct from decode(k.inventory, 'base64')))
    ), doubled as (
      update device_status s set cloned_at = now()
        from known k
       where k.admitted and s.device_id = k."deviceId"
         and not exists (select from written w where w.device_id = k."deviceId")
         and (s.key_epoch, s.sequence) = (k."keyEpoch", k.sequence)
         and s.boot_id <> k."bootId" and '' not in (s.boot_id, k."bootId")
         and (s.cloned_at is null or s.cloned_at < now() - interval '1 minute')
    ), straying as materialized (
      select d.id from device d join known k on k."deviceId" = d.id
       where k.parks order by d.id for no key update of d
    ), parked as (
      update device d set
        standing = 'pending', channel = k.channel, target = k.target,
        retry_revision = 0, pinned_revision = 0
        from straying join known k on k."deviceId" = straying.id
       where d.id = straying.id and d.standing = 'accepted' and d.key_epoch = k."keyEpoch"
    ), heads as (
      select g.channel, g.target, g.pinned_revision, c.head_revision, c.paused,
             m.revision, m.payload_sha256, m.system,
             r.state is not distinct from 'paused' as rollout_paused
        from (select distinct channel, target, pinned_revision from known where admitted) g
        join channel c on c.name = g.channel
        left join lateral (
          select revision, payload_sha256, system from manifest
           where channel = g.channel and target = g.target
             and revision <= least(c.head_revision, nullif(g.pinned_revision, 0))
           order by revision desc limit 1) m on true
        left join rollout r on r.channel = g.channel and r.revision = m.revision
    )
    select k."deviceId" as device_id, k.found, k.admitted, k.retry_revision, k.pinned_revision,
           case when k.parks then 'pending' else k.standing end as standing,
           k.shown_system as system, w.device_id is not null as fresh,
           case when w.device_id is null and k.known_epoch = k."keyEpoch"
                then greatest(k.known_sequence, k.sequence) else k.sequence end as sequence,
           h.head_revision, h.paused, h.revision as manifest_revision, h.payload_sha256,
           h.system as manifest_system, h.rollout_paused
      from known k
      left join written w on w.device_id = k."deviceId"
      left join heads h on h.channel = k.channel and h.target = k.target
                        and h.pinned_revision = k.pinned_revision`.execute(db);
  return new Map(result.rows.map((row) => [row.device_id, row]));
}

// Only what differs is written. A stale report may tell of an attempt that no
// later one mentioned; it does not change one that is known. Those of one report
// began one after the other, which is all that tells the newest of a revision.
//
// An attempt that ended was the try that an operator wished for, if one did: the
// wish ends with it, or a revision that fails would be tried without end.
async function writeAttempts(
  db: Transaction<Database>,
  rows: readonly object[],
): Promise<ReadonlySet<string>> {
  if (rows.length === 0) return new Set();
  const granted = await sql<{ id: string }>`
    with told as materialized (
      select i.*, a.outcome as outcome_before
        from jsonb_to_recordset(${json(rows)}::text::jsonb) as i(
          "deviceId" text, fresh boolean, place integer, "attemptId" text, channel text,
          revision bigint, outcome integer, "failureCode" integer, detail text)
        left join attempt a on a.device_id = i."deviceId" and a.attempt_id = i."attemptId"
       where a.device_id is null or (i.fresh and a.detail <> decode(i.detail, 'base64'))
    ), written as (
      insert into attempt (
        device_id, attempt_id, channel, revision, outcome, failure_code, detail, first_reported_at)
      select "deviceId", "attemptId", channel, revision, outcome, "failureCode",
             decode(detail, 'base64'), now() + place * interval '1 microsecond'
        from told
      on conflict (device_id, attempt_id) do update set
        channel = excluded.channel, revision = excluded.revision, outcome = excluded.outcome,
        failure_code = excluded.failure_code, detail = excluded.detail, changed_at = now()
    )
    update device d set retry_revision = 0
      from (select distinct "deviceId", channel, revision from told
             where outcome <> 0 and coalesce(outcome_before, 0) = 0) ended
     where d.id = ended."deviceId" and d.channel = ended.channel
       and d.retry_revision = ended.revision and d.retry_revision > 0
    returning d.id`.execute(db);
  return new Set(granted.rows.map(({ id }) => id));
}

async function writeEvents(db: Transaction<Database>, rows: readonly object[]): Promise<void> {
  if (rows.length === 0) return;
  await sql`
    insert into device_event (device_id, event_id, number, detail)
    select i."deviceId", i."eventId", i.number, decode(i.detail, 'base64')
      from jsonb_to_recordset(${json(rows)}::text::jsonb) as i(
        "deviceId" text, "eventId" text, number numeric, detail text)
     where not exists (select from device_event e
                        where e.device_id = i."deviceId" and e.event_id = i."eventId")`.execute(db);
}

function outcomeOf(
  row: ReportRow,
  written: Written | undefined,
  wishGranted: boolean,
): ReportOutcome {
  if (written?.found !== true) return { kind: "device-unknown" };
  if (written.standing !== "accepted") return { kind: "refused", standing: written.standing };
  if (!written.admitted) return { kind: "key-replaced" };
  const { channel, target, floorRevision, committedRevision, quarantinedRevisions } = row;
  return {
    kind: "durable",
    sequence: written.sequence,
    device: {
      channel,
      target,
      floorRevision,
      committedRevision,
      quarantinedRevisions,
      standing: written.standing,
      system: written.system,
      retryRevision: wishGranted ? 0n : written.retry_revision,
      pinnedRevision: written.pinned_revision,
    },
    head: headOf(written),
  };
}

function headOf(written: Written): HeadFacts | undefined {
  const { head_revision: headRevision, manifest_revision: revision, paused } = written;
  if (headRevision === null) return undefined;
  if (revision === null) return { headRevision, paused, manifest: undefined };
  const manifest = {
    revision,
    payloadSha256: written.payload_sha256,
    system: written.manifest_system,
    rolloutPaused: written.rollout_paused,
  };
  return { headRevision, paused, manifest };
}

/** JSON text; bigints as text, which the columns' types read. */
function json(rows: readonly object[]): string {
  return JSON.stringify(rows, (_key, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
}
