import { sql } from "kysely";

import type { Db } from "../db/database.ts";

/** A row of the audit as it is shown. */
export interface AuditRow {
  readonly id: bigint;
  readonly at: Date;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly address: string;
  /** JSON; null: there was nothing. */
  readonly before: string | null;
  readonly after: string | null;
}

/** Which rows, newest first. */
export interface AuditPage {
  /** Below this id; undefined: from the newest. */
  readonly below: bigint | undefined;
  readonly limit: number;
  /** Empty: any. */
  readonly actor: string;
  /** How the subject begins, letter for letter; empty: any. */
  readonly subjectPrefix: string;
}

/** What operators changed, newest first. */
export async function findAuditRows(db: Db, page: AuditPage): Promise<readonly AuditRow[]> {
  let query = db.selectFrom("audit").orderBy("id", "desc").limit(page.limit);
  if (page.below !== undefined) query = query.where("id", "<", page.below);
  if (page.actor !== "") query = query.where("actor", "=", page.actor);
  if (page.subjectPrefix !== "") {
    query = query.where(sql<boolean>`starts_with(subject, ${page.subjectPrefix}::text)`);
  }
  return await query
    .select(["id", "at", "actor", "action", "subject", "address"])
    .select([
      sql<string | null>`before::text`.as("before"),
      sql<string | null>`after::text`.as("after"),
    ])
    .execute();
}
