import { sql, type Selectable } from "kysely";

import type { Database, Db } from "../db/database.ts";
import type { StoredEnrolmentToken } from "./enrolment-token.ts";
import type { TokenDigest } from "./secret-token.ts";

/** Stores a token that no device used yet. */
export async function insertEnrolmentToken(
  db: Db,
  token: TokenDigest & {
    readonly channel: string;
    readonly maxUses: number;
    readonly expiresAt: Date;
    readonly createdBy: string;
  },
): Promise<StoredEnrolmentToken> {
  const row = await db
    .insertInto("enrolment_token")
    .values({
      id: token.id,
      channel: token.channel,
      secret_sha256: token.sha256,
      max_uses: token.maxUses,
      expires_at: token.expiresAt,
      created_by: token.createdBy,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return storedToken(row);
}

/** One token; undefined: there is none of that id. */
export async function findEnrolmentToken(
  db: Db,
  id: string,
): Promise<StoredEnrolmentToken | undefined> {
  const row = await db
    .selectFrom("enrolment_token")
    .where("id", "=", id)
    .selectAll()
    .executeTakeFirst();
  return row === undefined ? undefined : storedToken(row);
}

/** Where a page of tokens ends: time of making in microseconds, id. */
export type TokenPlace = readonly [string, string];

/** Tokens by the time of their making. */
export async function listEnrolmentTokens(
  db: Db,
  page: { readonly after: readonly string[] | undefined; readonly limit: number },
): Promise<readonly (StoredEnrolmentToken & { readonly place: TokenPlace })[]> {
  const microseconds = sql<string>`(extract(epoch from created_at) * 1000000)::bigint::text`;
  let query = db
    .selectFrom("enrolment_token")
    .selectAll()
    .select(microseconds.as("microseconds"))
    .orderBy("created_at")
    .orderBy("id")
    .limit(page.limit);
  if (page.after !== undefined) {
    const [since, id] = page.after;
    query = query.where(
      sql<boolean>`(created_at, id)
        > (timestamptz 'epoch' + ${since}::text::bigint * interval '1 microsecond', ${id}::text)`,
    );
  }
  const rows = await query.execute();
  return rows.map((row) => ({ ...storedToken(row), place: [row.microseconds, row.id] as const }));
}

/** Holds a token until the transaction ends; undefined: there is none of that id. */
export async function lockEnrolmentToken(
  db: Db,
  id: string,
): Promise<StoredEnrolmentToken | undefined> {
  const row = await db
    .selectFrom("enrolment_token")
    .where("id", "=", id)
    .selectAll()
    .forUpdate()
    .executeTakeFirst();
  return row === undefined ? undefined : storedToken(row);
}

/** Ends a token, or lets it work again; null clears. */
export async function changeEnrolmentToken(
  db: Db,
  id: string,
  change: { readonly revoked_at: Date } | { readonly suspended_at: null },
): Promise<void> {
  await db.updateTable("enrolment_token").set(change).where("id", "=", id).execute();
}

/**
 * Counts a use, in the transaction that pins the device: of two devices that
 * race for the last one, the second waits here for the first and finds none.
 *
 * @returns Whether there was one; false: the transaction must not pin anything.
 */
export async function useEnrolmentToken(
  db: Db,
  token: { readonly id: string; readonly channel: string; readonly now: Date },
): Promise<boolean> {
  const used = await db
    .updateTable("enrolment_token")
    .set((eb) => ({ uses: eb("uses", "+", 1) }))
    .where("id", "=", token.id)
    .where("channel", "=", token.channel)
    .where("uses", "<", sql<number>`max_uses`)
    .where("revoked_at", "is", null)
    .where("suspended_at", "is", null)
    .where("expires_at", ">", token.now)
    .returning("id")
    .executeTakeFirst();
  return used !== undefined;
}

function storedToken(row: Selectable<Database["enrolment_token"]>): StoredEnrolmentToken {
  return {
    id: row.id,
    channel: row.channel,
    secretSha256: row.secret_sha256,
    maxUses: row.max_uses,
    uses: row.uses,
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at ?? undefined,
    suspendedAt: row.suspended_at ?? undefined,
  };
}
