import { sql } from "kysely";

import type { Db } from "../db/database.ts";
import type { DeviceFacts, HeadFacts } from "./offer.ts";
import type { StoredChannel } from "./stored-channel.ts";

/** The head for one target, with the envelope to serve. */
export interface CurrentManifest extends HeadFacts {
  /** Empty without a manifest. */
  readonly envelope: Uint8Array;
}

/**
 * What is newest on a channel for a target. Reads the database on every call,
 * so the answer is as new as any commit that was acknowledged.
 *
 * @param asked `pinnedRevision` 0: no pin.
 */
export async function findCurrent(
  db: Db,
  asked: { readonly channel: string; readonly target: string; readonly pinnedRevision: bigint },
): Promise<CurrentManifest | undefined> {
  const { channel, target, pinnedRevision } = asked;
  const rows = await sql<{
    head_revision: bigint;
    paused: boolean;
    revision: bigint | null;
    payload_sha256: Uint8Array;
    system: string;
    rollout_paused: boolean;
    envelope: Uint8Array;
  }>`
    select c.head_revision, c.paused, m.revision, m.payload_sha256, m.system, m.envelope,
           r.state is not distinct from 'paused' as rollout_paused
      from channel c
      left join lateral (
        select revision, payload_sha256, system, envelope from manifest
         where channel = c.name and target = ${target}
           and revision <= least(c.head_revision, nullif(${String(pinnedRevision)}::text::bigint, 0))
         order by revision desc limit 1) m on true
      left join rollout r on r.channel = c.name and r.revision = m.revision
     where c.name = ${channel}`.execute(db);
  const [row] = rows.rows;
  if (row === undefined) return undefined;
  const { head_revision: headRevision, paused, revision } = row;
  if (revision === null) {
    return { headRevision, paused, manifest: undefined, envelope: new Uint8Array() };
  }
  const manifest = {
    revision,
    payloadSha256: row.payload_sha256,
    system: row.system,
    rolloutPaused: row.rollout_paused,
  };
  return { headRevision, paused, manifest, envelope: row.envelope };
}

/** What offers are decided by; undefined: no such device. */
export async function findDeviceFacts(
  db: Db,
  deviceId: string,
): Promise<(DeviceFacts & { readonly keyEpoch: number }) | undefined> {
  const row = await db
    .selectFrom("device")
    .leftJoin("device_status", "device_status.device_id", "device.id")
    .where("device.id", "=", deviceId)
    .select([
      "channel",
      "target",
      "standing",
      "device.key_epoch",
      "retry_revision",
      "pinned_revision",
      "floor_revision",
      "committed_revision",
      "quarantined_revisions",
      "system",
    ])
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    channel: row.channel,
    target: row.target,
    standing: row.standing,
    keyEpoch: row.key_epoch,
    system: row.system,
    floorRevision: row.floor_revision ?? 0n,
    committedRevision: row.committed_revision ?? 0n,
    quarantinedRevisions: row.quarantined_revisions ?? [],
    retryRevision: row.retry_revision,
    pinnedRevision: row.pinned_revision,
  };
}

/** A listing's bytes. */
export async function findListing(db: Db, digest: Uint8Array): Promise<Uint8Array | undefined> {
  const row = await db
    .selectFrom("listing")
    .where("digest", "=", digest)
    .select("content")
    .executeTakeFirst();
  return row?.content;
}

/** Highest revision that a device of the channel told to have verified; 0: none. */
export async function findFleetFloor(db: Db, channel: string): Promise<bigint> {
  const row = await db
    .selectFrom("device")
    .innerJoin("device_status", "device_status.device_id", "device.id")
    .where("channel", "=", channel)
    .select(({ fn }) => fn.max("floor_revision").as("floor"))
    .executeTakeFirst();
  return row?.floor ?? 0n;
}

/** Channels by name: one of them, or those after a name. */
export async function findChannels(
  db: Db,
  which: { readonly name: string } | { readonly after: string; readonly limit: number },
): Promise<readonly StoredChannel[]> {
  const query = db.selectFrom("channel").selectAll().orderBy("name");
  const rows = await (
    "name" in which
      ? query.where("name", "=", which.name)
      : query.where("name", ">", which.after).limit(which.limit)
  ).execute();
  if (rows.length === 0) return [];
  const keys = await db
    .selectFrom("channel_key")
    .where(
      "channel",
      "in",
      rows.map(({ name }) => name),
    )
    .orderBy("position")
    .selectAll()
    .execute();
  const byChannel = Map.groupBy(keys, ({ channel }) => channel);
  return rows.map((row) => ({
    name: row.name,
    headRevision: row.head_revision,
    threshold: row.threshold,
    paused: row.paused,
    enrolment: row.enrolment,
    deviceTimeoutMs: row.device_timeout_ms,
    createdAt: row.created_at,
    keys: (byChannel.get(row.name) ?? []).map(({ public_key, name }) => ({
      publicKey: public_key,
      name,
    })),
  }));
}
