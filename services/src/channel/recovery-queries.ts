import { sql } from "kysely";

import type { Db } from "../db/database.ts";
import type { Returned } from "./recovery.ts";

/** A returned manifest as stored. */
export interface StoredReturn extends Returned {
  readonly envelope: Uint8Array;
  /** The device that returned it first. */
  readonly deviceId: string;
  readonly receivedAt: Date;
}

/** How many returned manifests are kept. */
export interface ReturnLimits {
  readonly perDevice: number;
  readonly perChannel: number;
}

/**
 * Keeps a manifest that a device returned; one that is kept already stays as it
 * is. Give a transaction that holds the channel, for the limits are of all of it.
 *
 * @returns Whether it is kept; false: the limits are met.
 */
export async function keepReturned(
  db: Db,
  manifest: Returned & {
    readonly channel: string;
    readonly envelope: Uint8Array;
    readonly deviceId: string;
  },
  limits: ReturnLimits,
): Promise<boolean> {
  const { channel, revision, target, payloadSha256, envelope, deviceId } = manifest;
  await dropReturned(db, channel);
  const known = await db
    .selectFrom("returned_manifest")
    .where("channel", "=", channel)
    .select(({ fn }) => [
      fn.countAll<bigint>().as("all"),
      fn.countAll<bigint>().filterWhere("device_id", "=", deviceId).as("own"),
      fn.countAll<bigint>().filterWhere("payload_sha256", "=", payloadSha256).as("same"),
    ])
    .executeTakeFirstOrThrow();
  if (known.same > 0n) return true;
  if (known.own >= limits.perDevice || known.all >= limits.perChannel) return false;
  await db
    .insertInto("returned_manifest")
    .values({
      channel,
      revision,
      target,
      payload_sha256: payloadSha256,
      envelope,
      device_id: deviceId,
    })
    .execute();
  return true;
}

/** What devices returned of a channel. */
export async function findReturned(db: Db, channel: string): Promise<readonly StoredReturn[]> {
  const rows = await db
    .selectFrom("returned_manifest")
    .where("channel", "=", channel)
    .orderBy("revision")
    .orderBy("target")
    .selectAll()
    .execute();
  return rows.map((row) => ({
    revision: row.revision,
    target: row.target,
    payloadSha256: row.payload_sha256,
    envelope: row.envelope,
    deviceId: row.device_id,
    receivedAt: row.received_at,
  }));
}

/** Forgets what the head of the channel has reached: it is published, or passed over. */
export async function dropReturned(db: Db, channel: string): Promise<void> {
  await sql`
    delete from returned_manifest r using channel c
     where c.name = r.channel and r.channel = ${channel} and r.revision <= c.head_revision`.execute(
    db,
  );
}
