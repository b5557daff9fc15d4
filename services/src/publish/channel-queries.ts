import { sql } from "kysely";

import type { Db } from "../db/database.ts";
import type { EnrolmentMode } from "../enrolment-mode.ts";
import type { ChannelKeys } from "./channel-keys.ts";

/** The keys that publishes on a channel are checked by; undefined: no such channel. */
export async function findChannelKeys(db: Db, channel: string): Promise<ChannelKeys | undefined> {
  const rows = await db
    .selectFrom("channel")
    .leftJoin("channel_key", "channel_key.channel", "channel.name")
    .where("channel.name", "=", channel)
    .orderBy("channel_key.position")
    .select(["threshold", "channel_key.public_key", "channel_key.name"])
    .execute();
  const [first] = rows;
  if (first === undefined) return undefined;
  const keys = rows.flatMap(({ public_key, name }) =>
    public_key === null || name === null ? [] : [{ publicKey: public_key, name }],
  );
  return { threshold: first.threshold, keys };
}

/**
 * Makes the channel with its keys; when it is there already, or another
 * transaction is making it, it stays as it is.
 *
 * @param enrolment Null: as the server's default says.
 * @returns Whether this call made it.
 */
export async function createChannel(
  db: Db,
  channel: string,
  { threshold, keys }: ChannelKeys,
  enrolment: EnrolmentMode | null = null,
): Promise<boolean> {
  const made = await db
    .insertInto("channel")
    .values({ name: channel, threshold, enrolment })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .returning("name")
    .executeTakeFirst();
  if (made === undefined) return false;
  await addKeys(db, channel, keys);
  return true;
}

/** Pins a channel to these keys and no others. */
export async function pinKeys(
  db: Db,
  channel: string,
  { threshold, keys }: ChannelKeys,
): Promise<void> {
  await db.updateTable("channel").set({ threshold }).where("name", "=", channel).execute();
  await db.deleteFrom("channel_key").where("channel", "=", channel).execute();
  await addKeys(db, channel, keys);
}

async function addKeys(db: Db, channel: string, keys: ChannelKeys["keys"]): Promise<void> {
  if (keys.length === 0) return;
  await db
    .insertInto("channel_key")
    .values(
      keys.map(({ publicKey, name }, position) => ({
        channel,
        public_key: publicKey,
        name,
        position,
      })),
    )
    .execute();
}

/**
 * The compare-and-set that publishers meet at: raises the head, and holds the
 * channel until the transaction ends. A transaction that waited for another
 * compares with the head that the other left.
 *
 * @returns Whether the revision is the head by this call.
 */
export async function advanceHead(db: Db, channel: string, revision: bigint): Promise<boolean> {
  const raised = await db
    .updateTable("channel")
    .set({ head_revision: revision })
    .where("name", "=", channel)
    .where("head_revision", "<", revision)
    .returning("name")
    .executeTakeFirst();
  return raised !== undefined;
}

/** Highest published revision; 0 before the first. */
export async function findHead(db: Db, channel: string): Promise<bigint> {
  const row = await db
    .selectFrom("channel")
    .where("name", "=", channel)
    .select("head_revision")
    .executeTakeFirst();
  return row?.head_revision ?? 0n;
}

/** Holds a channel until the transaction ends. @returns Whether there is one. */
export async function lockChannel(db: Db, channel: string): Promise<boolean> {
  const row = await db
    .selectFrom("channel")
    .where("name", "=", channel)
    .select("name")
    .forUpdate()
    .executeTakeFirst();
  return row !== undefined;
}

/** What an operator changes of a channel's offers and enrolment; undefined: as it is. */
export interface ChannelChange {
  readonly paused?: boolean | undefined;
  readonly enrolment?: EnrolmentMode | undefined;
  readonly deviceTimeoutMs?: bigint | undefined;
}

/** Changes a channel's own row, unless nothing is set. */
export async function changeChannel(db: Db, channel: string, change: ChannelChange): Promise<void> {
  const { paused, enrolment, deviceTimeoutMs } = change;
  const set = {
    ...(paused === undefined ? {} : { paused, pause_changed_at: sql<Date>`now()` }),
    ...(enrolment === undefined ? {} : { enrolment }),
    ...(deviceTimeoutMs === undefined ? {} : { device_timeout_ms: deviceTimeoutMs }),
  };
  if (Object.keys(set).length === 0) return;
  await db.updateTable("channel").set(set).where("name", "=", channel).execute();
}
