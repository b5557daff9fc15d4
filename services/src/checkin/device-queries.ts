import { sql } from "kysely";

import type { Db, Standing } from "../db/database.ts";
import type { DeviceFilter } from "./device-filter.ts";

/** A device as far as its proof of who it is goes. */
export interface DeviceIdentity {
  readonly publicKey: Uint8Array;
  readonly standing: Standing;
  readonly keyEpoch: number;
  /** Highest sequence reported under the key; 0: none. */
  readonly lastSequence: bigint;
}

/** Who holds an id; undefined: nobody. */
export async function findIdentity(db: Db, deviceId: string): Promise<DeviceIdentity | undefined> {
  const row = await db
    .selectFrom("device")
    .leftJoin("device_status", (join) =>
      join
        .onRef("device_status.device_id", "=", "device.id")
        .onRef("device_status.key_epoch", "=", "device.key_epoch"),
    )
    .where("device.id", "=", deviceId)
    .select(["public_key", "standing", "device.key_epoch", "sequence"])
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    publicKey: row.public_key,
    standing: row.standing,
    keyEpoch: row.key_epoch,
    lastSequence: row.sequence ?? 0n,
  };
}

/** How a channel takes unknown devices; a channel that is not there yet takes them openly. */
export async function findEnrolmentMode(
  db: Db,
  channel: string,
): Promise<"open" | "token" | "approve"> {
  const row = await db
    .selectFrom("channel")
    .where("name", "=", channel)
    .select("enrolment")
    .executeTakeFirst();
  return row?.enrolment ?? "open";
}

/** Pins a key to an id. @returns Whether this call did; false: the id is held already. */
export async function pinDevice(
  db: Db,
  device: {
    readonly id: string;
    readonly publicKey: Uint8Array;
    readonly channel: string;
    readonly target: string;
    readonly standing: Standing;
  },
): Promise<boolean> {
  const { id, publicKey, channel, target, standing } = device;
  const pinned = await db
    .insertInto("device")
    .values({ id, channel, target, standing, public_key: publicKey })
    .onConflict((conflict) => conflict.column("id").doNothing())
    .returning("id")
    .executeTakeFirst();
  return pinned !== undefined;
}

/** A device with its newest report; nulls: it never reported. */
export type DeviceRow = Awaited<ReturnType<typeof findDevices>>[number];

/** Devices by id: one of them, or those after an id. */
export async function findDevices(
  db: Db,
  which:
    | { readonly id: string }
    | { readonly after: string; readonly filter: DeviceFilter; readonly limit: number },
) {
  let query = db
    .selectFrom("device")
    .leftJoin("device_status as status", "status.device_id", "device.id")
    .leftJoin("attempt", (join) =>
      join
        .onRef("attempt.device_id", "=", "device.id")
        .onRef("attempt.attempt_id", "=", "status.attempt_id"),
    )
    .orderBy("device.id")
    .select([
      "device.id",
      "device.channel",
      "device.target",
      "device.standing",
      "device.public_key",
      "device.key_epoch",
      "device.tags",
      "device.pinned_revision",
      "device.retry_revision",
      "device.inventory",
      "device.system",
      "device.enrolled_at",
      "status.state",
      "status.running",
      "status.booted",
      "status.profile",
      "status.floor_revision",
      "status.floor_sha256",
      "status.committed_revision",
      "status.agent_version",
      "status.agent_level",
      "status.pinned_key_ids",
      "status.quarantined_revisions",
      "status.sequence",
      "status.last_seen_at",
      "attempt.detail as attempt",
    ]);
  if ("id" in which) {
    query = query.where("device.id", "=", which.id);
  } else {
    const { after, filter, limit } = which;
    if (filter.channel !== undefined) query = query.where("device.channel", "=", filter.channel);
    query = query.where("device.id", ">", after).limit(limit);
  }
  return await query.execute();
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
  const rows = await sql<{
    detail: Uint8Array;
    received_at: Date;
    microseconds: string;
    number: string;
    event_id: string;
  }>`
    select detail, received_at, number::text, event_id,
           (extract(epoch from received_at) * 1000000)::bigint::text as microseconds
      from device_event where device_id = ${deviceId} ${below}
     order by received_at desc, number desc, event_id desc limit ${page.limit}`.execute(db);
  return rows.rows.map((row) => ({
    detail: row.detail,
    receivedAt: row.received_at,
    place: [row.microseconds, row.number, row.event_id],
  }));
}
