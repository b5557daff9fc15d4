import { sql } from "kysely";

import type { Db } from "../db/database.ts";
import type { Scope } from "./scopes.ts";
import type { TokenDigest } from "./secret-token.ts";
import type { StoredToken } from "./stored-token.ts";

const COLUMNS = [
  "id",
  "name",
  "secret_sha256",
  "scopes",
  "created_at",
  "created_by",
  "expires_at",
  "revoked_at",
  "suspended_at",
  "last_used_at",
] as const;

/** One token by its public part. */
export async function findToken(db: Db, id: string): Promise<StoredToken | undefined> {
  const row = await db
    .selectFrom("operator_token")
    .where("id", "=", id)
    .select(COLUMNS)
    .executeTakeFirst();
  return row === undefined ? undefined : stored(row);
}

/** A token with its place in the list. */
export interface ListedToken {
  readonly token: StoredToken;
  /** Where the next page begins: time of making in microseconds, id. */
  readonly place: readonly [string, string];
}

/** Tokens by the time of their making. */
export async function findTokens(
  db: Db,
  page: { readonly after: readonly string[] | undefined; readonly limit: number },
): Promise<readonly ListedToken[]> {
  const [microseconds, id] = page.after ?? [];
  const behind =
    page.after === undefined
      ? sql<boolean>`true`
      : sql<boolean>`(created_at, id)
          > (timestamptz 'epoch' + ${microseconds}::text::bigint * interval '1 microsecond',
             ${id}::text)`;
  const rows = await db
    .selectFrom("operator_token")
    .where(behind)
    .orderBy("created_at")
    .orderBy("id")
    .limit(page.limit)
    .select(COLUMNS)
    .select(
      sql<string>`(extract(epoch from created_at) * 1000000)::bigint::text`.as("microseconds"),
    )
    .execute();
  return rows.map((row) => ({ token: stored(row), place: [row.microseconds, row.id] }));
}

/** Keeps a token that was made. */
export async function insertToken(
  db: Db,
  token: TokenDigest & {
    readonly name: string;
    readonly scopes: readonly Scope[];
    readonly createdBy: string;
    readonly expiresAt: Date | undefined;
  },
): Promise<StoredToken> {
  const row = await db
    .insertInto("operator_token")
    .values({
      id: token.id,
      name: token.name,
      secret_sha256: token.sha256,
      scopes: sql`array(select jsonb_array_elements_text(${JSON.stringify(token.scopes)}::text::jsonb))`,
      created_by: token.createdBy,
      expires_at: token.expiresAt ?? null,
    })
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
  return stored(row);
}

/** Ends a token that was not ended yet; undefined: there is none such. */
export async function revokeToken(db: Db, id: string): Promise<StoredToken | undefined> {
  const row = await db
    .updateTable("operator_token")
    .set({ revoked_at: sql`now()` })
    .where("id", "=", id)
    .where("revoked_at", "is", null)
    .returning(COLUMNS)
    .executeTakeFirst();
  return row === undefined ? undefined : stored(row);
}

/** Lets a suspended token work again; undefined: there is none such. */
export async function confirmToken(db: Db, id: string): Promise<StoredToken | undefined> {
  const row = await db
    .updateTable("operator_token")
    .set({ suspended_at: null })
    .where("id", "=", id)
    .where("suspended_at", "is not", null)
    .returning(COLUMNS)
    .executeTakeFirst();
  return row === undefined ? undefined : stored(row);
}

/** Notes the minute in which a token was used, unless a later one is noted. */
export async function noteTokenUse(db: Db, id: string, minute: Date): Promise<void> {
  await db
    .updateTable("operator_token")
    .set({ last_used_at: minute })
    .where("id", "=", id)
    .where((or) => or.or([or("last_used_at", "is", null), or("last_used_at", "<", minute)]))
    .execute();
}

interface TokenRow {
  readonly id: string;
  readonly name: string;
  readonly secret_sha256: Uint8Array;
  readonly scopes: string[];
  readonly created_at: Date;
  readonly created_by: string;
  readonly expires_at: Date | null;
  readonly revoked_at: Date | null;
  readonly suspended_at: Date | null;
  readonly last_used_at: Date | null;
}

function stored(row: TokenRow): StoredToken {
  return {
    id: row.id,
    name: row.name,
    secretSha256: row.secret_sha256,
    // Only scopes that the contract knows are ever inserted.
    scopes: row.scopes as Scope[],
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at ?? undefined,
    revokedAt: row.revoked_at ?? undefined,
    suspendedAt: row.suspended_at ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
  };
}
