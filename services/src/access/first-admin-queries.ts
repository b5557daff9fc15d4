import { sql } from "kysely";

import type { Db } from "../db/database.ts";

/** Holds other servers that start from making a first admin token, until the transaction ends. */
export async function lockFirstAdmin(db: Db): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('nix_ota_first_admin'))`.execute(db);
}

/** A token by which somebody is an admin. */
export interface WorkingAdmin {
  readonly id: string;
  readonly secretSha256: Uint8Array;
  /** Whether a server made it at its start. */
  readonly isFirst: boolean;
}

/** Every token by which somebody is an admin at the moment. */
export async function findWorkingAdmins(db: Db, now: Date): Promise<readonly WorkingAdmin[]> {
  const rows = await db
    .selectFrom("operator_token")
    .where(sql<boolean>`'admin' = any(scopes)`)
    .where("revoked_at", "is", null)
    .where("suspended_at", "is", null)
    .where((or) => or.or([or("expires_at", "is", null), or("expires_at", ">", now)]))
    .select(["id", "secret_sha256", "created_by"])
    .execute();
  return rows.map(({ id, secret_sha256, created_by }) => ({
    id,
    secretSha256: secret_sha256,
    isFirst: created_by === "",
  }));
}
