import { sql } from "kysely";

import type { Db } from "../db/database.ts";
import type { EnrolmentMode } from "../enrolment-mode.ts";
import type { Standing } from "../standing.ts";
import type { EnrolledBy, HeldId } from "./enrolment.ts";
import type { OpenEnrolmentCount } from "./open-enrolment.ts";

/** A device as far as its proof of who it is goes. */
export interface DeviceIdentity extends HeldId {
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

/** How a channel takes unknown devices; undefined: it is not there, or leaves it to the server. */
export async function findEnrolmentMode(
  db: Db,
  channel: string,
): Promise<EnrolmentMode | undefined> {
  const row = await db
    .selectFrom("channel")
    .where("name", "=", channel)
    .select("enrolment")
    .executeTakeFirst();
  return row?.enrolment ?? undefined;
}

/** A device that is about to be pinned. */
export interface PinnedDevice {
  readonly id: string;
  readonly publicKey: Uint8Array;
  readonly channel: string;
  readonly target: string;
  readonly standing: Standing;
  readonly enrolledBy: EnrolledBy;
}

/**
 * Pins a key to an id. Give a transaction: an id that was forgotten goes on from
 * the epoch after the one it had, which the second statement sees also where the
 * first had to wait for the forgetting, so that no session of before comes back.
 *
 * @returns Its key epoch; undefined: the id is held already.
 */
export async function pinDevice(db: Db, device: PinnedDevice): Promise<number | undefined> {
  const { id, channel, target, standing } = device;
  const pinned = await db
    .insertInto("device")
    .values({
      id,
      channel,
      target,
      standing,
      public_key: device.publicKey,
      enrolled_by: device.enrolledBy,
    })
    .onConflict((conflict) => conflict.column("id").doNothing())
    .returning("key_epoch")
    .executeTakeFirst();
  if (pinned === undefined) return undefined;
  const continued = await db
    .updateTable("device")
    .from("forgotten_device")
    .set({ key_epoch: sql<number>`forgotten_device.key_epoch + 1` })
    .whereRef("forgotten_device.id", "=", "device.id")
    .where("device.id", "=", id)
    .returning("device.key_epoch")
    .executeTakeFirst();
  return (continued ?? pinned).key_epoch;
}

/** How many devices came without an enrolment token. */
export async function findOpenEnrolment(
  db: Db,
  { held }: { /** Until the transaction ends. */ readonly held: boolean },
): Promise<OpenEnrolmentCount> {
  const query = db.selectFrom("open_enrolment").selectAll();
  const row = await (held ? query.forUpdate() : query).executeTakeFirstOrThrow();
  return {
    deviceCount: row.device_count,
    windowCount: row.window_count,
    windowBeganMs: row.window_began_at.getTime(),
  };
}

/** Writes down the count, in the transaction that holds it and pins a device. */
export async function storeOpenEnrolment(db: Db, count: OpenEnrolmentCount): Promise<void> {
  await db
    .updateTable("open_enrolment")
    .set({
      device_count: count.deviceCount,
      window_count: count.windowCount,
      window_began_at: new Date(count.windowBeganMs),
    })
    .execute();
}

/**
 * Has devices that are on a channel which is only being made wait for an
 * operator: they came while nobody asked who they are. Those whom an operator
 * accepted, or who came by a token for the channel, stay.
 */
export async function parkEarlyDevices(db: Db, channel: string): Promise<void> {
  await sql`
    update device set standing = 'pending'
     where channel = ${channel} and standing = 'accepted' and enrolled_by <> 'approve'
       and not exists (select from enrolment_token t
                        where t.channel = device.channel
                          and 'token:' || t.id = device.enrolled_by)`.execute(db);
}

/** Notes that another key was presented for an id, unless that was noted after `since`. */
export async function noteKeyConflict(
  db: Db,
  deviceId: string,
  times: { readonly now: Date; readonly since: Date },
): Promise<void> {
  await db
    .updateTable("device")
    .set({ key_conflict_at: times.now })
    .where("id", "=", deviceId)
    .where((eb) =>
      eb.or([eb("key_conflict_at", "is", null), eb("key_conflict_at", "<", times.since)]),
    )
    .execute();
}
