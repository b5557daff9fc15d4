import { sql } from "kysely";

import type { Db } from "../db/database.ts";
import { IDLE_MS, LIFE_MS, SESSIONS_PER_TOKEN } from "./console-session.ts";

/** A console session as it is kept. */
export interface StoredSession {
  /** The token it was opened with; undefined: a secret in a file. */
  readonly tokenId: string | undefined;
  /** Digest of what it was opened with. */
  readonly secretSha256: Uint8Array;
  readonly createdAt: Date;
  /** To the minute. */
  readonly lastUsedAt: Date;
}

/** Sessions by their digests, in hexadecimal; those that are gone are left out. */
export async function findSessions(
  db: Db,
  digests: readonly Uint8Array[],
): Promise<ReadonlyMap<string, StoredSession>> {
  const ids = JSON.stringify(digests.map((digest) => Buffer.from(digest).toString("hex")));
  const rows = await db
    .selectFrom("console_session")
    .where(
      sql<boolean>`id_sha256 in (
        select decode(id, 'hex') from jsonb_array_elements_text(${ids}::text::jsonb) as id)`,
    )
    .selectAll()
    .execute();
  return new Map(
    rows.map((row) => [
      Buffer.from(row.id_sha256).toString("hex"),
      {
        tokenId: row.token_id ?? undefined,
        secretSha256: row.secret_sha256,
        createdAt: row.created_at,
        lastUsedAt: row.last_used_at,
      },
    ]),
  );
}

/** Opens a session; of those opened with the same secret the oldest beyond the limit are ended. */
export async function insertSession(
  db: Db,
  session: {
    readonly idSha256: Uint8Array;
    readonly tokenId: string | undefined;
    readonly secretSha256: Uint8Array;
  },
): Promise<void> {
  await db
    .insertInto("console_session")
    .values({
      id_sha256: session.idSha256,
      token_id: session.tokenId ?? null,
      secret_sha256: session.secretSha256,
    })
    .execute();
  await db
    .deleteFrom("console_session")
    .where("id_sha256", "in", (query) =>
      query
        .selectFrom("console_session")
        .where("secret_sha256", "=", session.secretSha256)
        .orderBy("created_at", "desc")
        .orderBy("id_sha256")
        .offset(SESSIONS_PER_TOKEN)
        .select("id_sha256"),
    )
    .execute();
}

/** Notes the minute in which a session was used, unless a later one is noted. */
export async function noteSessionUse(db: Db, idSha256: Uint8Array, minute: Date): Promise<void> {
  await db
    .updateTable("console_session")
    .set({ last_used_at: minute })
    .where("id_sha256", "=", idSha256)
    .where("last_used_at", "<", minute)
    .execute();
}

/** @returns Whether there was such a session. */
export async function deleteSession(db: Db, idSha256: Uint8Array): Promise<boolean> {
  const gone = await db
    .deleteFrom("console_session")
    .where("id_sha256", "=", idSha256)
    .returning("created_at")
    .executeTakeFirst();
  return gone !== undefined;
}

/** Ends every session that was opened with the token. */
export async function deleteSessionsOf(db: Db, tokenId: string): Promise<void> {
  await db.deleteFrom("console_session").where("token_id", "=", tokenId).execute();
}

/** Deletes sessions that are over by themselves. */
export async function sweepSessions(db: Db, nowMs: number): Promise<void> {
  await db
    .deleteFrom("console_session")
    .where((or) =>
      or.or([
        or("created_at", "<=", new Date(nowMs - LIFE_MS)),
        or("last_used_at", "<=", new Date(nowMs - IDLE_MS)),
      ]),
    )
    .execute();
}
