import { sql, type ExpressionBuilder } from "kysely";

import { announceChannels } from "../db/announce.ts";
import type { Database, Db } from "../db/database.ts";
import type { StoredRollout } from "./stored-release.ts";

/** What a rollout is made of, from a query that joins `rollout` with its `channel`. */
export function rolloutColumns({ ref }: ExpressionBuilder<Database, "rollout" | "channel">) {
  const [channel, revision] = [ref("rollout.channel"), ref("rollout.revision")];
  return [
    ref("rollout.channel").as("channel"),
    ref("rollout.revision").as("revision"),
    ref("rollout.state").as("state"),
    ref("rollout.changed_at").as("changed_at"),
    ref("rollout.changed_by").as("changed_by"),
    ref("rollout.offered_since").as("offered_since"),
    ref("rollout.device_timeout_ms").as("device_timeout_ms"),
    ref("channel.paused").as("channel_paused"),
    sql<boolean>`not exists (
      select from manifest m where m.channel = ${channel} and m.revision = ${revision}
         and not exists (select from manifest n
              where n.channel = m.channel and n.target = m.target and n.revision > m.revision))`.as(
      "superseded",
    ),
  ] as const;
}

/** A row of those columns. */
export function storedRollout(row: {
  readonly channel: string;
  readonly revision: bigint;
  readonly state: "running" | "paused";
  readonly changed_at: Date;
  readonly changed_by: string;
  readonly offered_since: Date;
  readonly device_timeout_ms: bigint;
  readonly channel_paused: boolean;
  readonly superseded: boolean;
}): StoredRollout {
  return {
    channel: row.channel,
    revision: row.revision,
    state: row.state,
    changedAt: row.changed_at,
    changedBy: row.changed_by,
    offeredSince: row.offered_since,
    deviceTimeoutMs: row.device_timeout_ms,
    channelPaused: row.channel_paused,
    superseded: row.superseded,
  };
}

/** Where a rollout stands; `revision` 0: that of the head. Undefined: there is no such release. */
export async function findRollout(
  db: Db,
  channel: string,
  revision: bigint,
): Promise<StoredRollout | undefined> {
  const query = db
    .selectFrom("rollout")
    .innerJoin("channel", "channel.name", "rollout.channel")
    .where("rollout.channel", "=", channel)
    .select(rolloutColumns);
  const row = await (
    revision === 0n
      ? query.whereRef("rollout.revision", "=", "channel.head_revision")
      : query.where("rollout.revision", "=", revision)
  ).executeTakeFirst();
  return row && storedRollout(row);
}

/**
 * Pauses or resumes a rollout and tells every process of it. Resuming begins its offer anew: who was silent
 * until then was acknowledged by it.
 *
 * @returns Whether it was in another state before.
 */
export async function setRolloutState(
  db: Db,
  rollout: {
    readonly channel: string;
    readonly revision: bigint;
    readonly state: "running" | "paused";
    readonly changedBy: string;
  },
): Promise<boolean> {
  const { channel, revision, state, changedBy } = rollout;
  const changed = await db
    .updateTable("rollout")
    .set({
      state,
      changed_by: changedBy,
      changed_at: sql`now()`,
      ...(state === "running" ? { offered_since: sql`now()` } : {}),
    })
    .where("channel", "=", channel)
    .where("revision", "=", revision)
    .where("state", "<>", state)
    .returning("revision")
    .executeTakeFirst();
  if (changed === undefined) return false;
  await announceChannels(db, [channel]);
  return true;
}
