import { sql } from "kysely";

import type { Db } from "./database.ts";

/** What waits for an operator after a restoration. */
export interface Restored {
  readonly suspendedTokens: number;
  readonly suspendedEnrolmentTokens: number;
  readonly pausedChannels: readonly string[];
}

/**
 * What follows for every feature from a restoration of the whole database: what was decided after the
 * backup is not in it. Every device session and console session ends; tokens
 * wait for an admin to confirm them, since they may have been revoked; nothing
 * is offered on any channel, since its head may be one that was replaced. Give a
 * transaction.
 */
export async function voidAndSuspend(db: Db): Promise<Restored> {
  await sql`
    update installation set restored_at = now(), session_salt = sha256(gen_random_uuid()::text::bytea)`.execute(
    db,
  );
  await sql`delete from console_session`.execute(db);
  const [tokens, enrolmentTokens] = [
    await suspend(db, "operator_token"),
    await suspend(db, "enrolment_token"),
  ];
  const paused = await sql<{ name: string }>`
    update channel set paused = true where not paused returning name`.execute(db);
  return {
    suspendedTokens: tokens,
    suspendedEnrolmentTokens: enrolmentTokens,
    pausedChannels: paused.rows.map(({ name }) => name).toSorted(),
  };
}

/** @returns How many worked until then. */
async function suspend(db: Db, table: "operator_token" | "enrolment_token"): Promise<number> {
  const suspended = await sql`
    update ${sql.table(table)} set suspended_at = now()
     where revoked_at is null and suspended_at is null
       and (expires_at is null or expires_at > now()) returning id`.execute(db);
  return suspended.rows.length;
}
