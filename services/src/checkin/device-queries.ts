import { sql } from "kysely";

import type { Db } from "../db/database.ts";
import { conditionOf } from "./device-condition.ts";
import type { DeviceFilter } from "./device-filter.ts";
import type { StoredDevice, StoredStatus } from "./stored-device.ts";

/** Devices by id: one of them, or those after an id that a filter finds. */
export async function findDevices(
  db: Db,
  which:
    | { readonly id: string }
    | {
        readonly after: string;
        readonly filter: DeviceFilter;
        readonly nowMs: number;
        readonly limit: number;
      },
): Promise<readonly StoredDevice[]> {
  let query = db
    .selectFrom("device as d")
    .leftJoin("device_status as s", "s.device_id", "d.id")
    .orderBy("d.id")
    .selectAll("d");
  if ("id" in which) {
    query = query.where("d.id", "=", which.id);
  } else {
    const { after, filter, nowMs, limit } = which;
    query = query.where(conditionOf(filter, nowMs)).where("d.id", ">", after).limit(limit);
  }
  const devices = await query.execute();
  if (devices.length === 0) return [];
  const statuses = await findStatuses(
    db,
    devices.map(({ id }) => id),
  );
  return devices.map((device) => ({
    id: device.id,
    channel: device.channel,
    target: device.target,
    standing: device.standing,
    publicKey: device.public_key,
    keyEpoch: device.key_epoch,
    tags: device.tags,
    pinnedRevision: device.pinned_revision,
    retryRevision: device.retry_revision,
    enrolledAt: device.enrolled_at,
    enrolledBy: device.enrolled_by,
    keyConflictAt: device.key_conflict_at ?? undefined,
    inventory: device.inventory ?? undefined,
    status: statuses.get(device.id)?.status,
    attempt: statuses.get(device.id)?.attempt ?? undefined,
  }));
}

async function findStatuses(db: Db, deviceIds: readonly string[]) {
  const rows = await db
    .selectFrom("device_status as status")
    .leftJoin("attempt", (join) =>
      join
        .onRef("attempt.device_id", "=", "status.device_id")
        .onRef("attempt.attempt_id", "=", "status.attempt_id"),
    )
    .where("status.device_id", "in", deviceIds)
    .selectAll("status")
    .select("attempt.detail as attempt")
    .execute();
  return new Map(
    rows.map((row) => {
      const status: StoredStatus = {
        sequence: row.sequence,
        state: row.state,
        running: row.running,
        booted: row.booted,
        profile: row.profile,
        floorRevision: row.floor_revision,
        floorSha256: row.floor_sha256,
        committedRevision: row.committed_revision,
        agentVersion: row.agent_version,
        agentLevel: row.agent_level,
        pinnedKeyIds: row.pinned_key_ids,
        quarantinedRevisions: row.quarantined_revisions,
        lastSeenAt: row.last_seen_at,
        clonedAt: row.cloned_at ?? undefined,
      };
      return [row.device_id, { status, attempt: row.attempt }];
    }),
  );
}

/** An event with its place in the history. */
export interface EventRow {
  readonly detail: Uint8Array;
  readonly receivedAt: Date;
  /** Where the next page begins: time of receipt in microseconds, number, id. */
  readonly place: readonly [string, string, string];
}

/** Events of a device, newest first. */
export async function findEvents(
  db: Db,
  deviceId: string,
  page: { readonly before: readonly string[] | undefined; readonly limit: number },
): Promise<readonly EventRow[]> {
  const [microseconds, number, eventId] = page.before ?? [];
  const below =
    page.before === undefined
      ? sql``
      : sql`and (received_at, number, event_id)
            < (timestamptz 'epoch' + ${microseconds}::text::bigint * interval '1 microsecond',
               ${number}::text::numeric, ${eventId}::text)`;
  // The text has another name than the column: `order by number` would mean the text.
  const rows = await sql<{
    detail: Uint8Array;
    received_at: Date;
    microseconds: string;
    place: string;
    event_id: string;
  }>`
    select detail, received_at, number::text as place, event_id,
           (extract(epoch from received_at) * 1000000)::bigint::text as microseconds
      from device_event where device_id = ${deviceId} ${below}
     order by received_at desc, number desc, event_id desc limit ${page.limit}`.execute(db);
  return rows.rows.map((row) => ({
    detail: row.detail,
    receivedAt: row.received_at,
    place: [row.microseconds, row.place, row.event_id],
  }));
}
