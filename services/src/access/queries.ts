import { sql } from "kysely";

import type { Db } from "../db/database.ts";

/** One change by an operator. */
export interface AuditEntry {
  /** Name of the token. */
  readonly actor: string;
  /** The call, e.g. `Publish`. */
  readonly action: string;
  /** What it was done to, e.g. `prod r42`. */
  readonly subject: string;
  /** Network address it came from. */
  readonly address: string;
  /** Undefined when there was nothing before. */
  readonly before?: object | undefined;
  readonly after: object;
}

/** Writes down a change. Give the transaction of the change: both or neither. */
export async function recordAudit(db: Db, entry: AuditEntry): Promise<void> {
  const before = entry.before === undefined ? null : JSON.stringify(entry.before);
  await db
    .insertInto("audit")
    .values({
      actor: entry.actor,
      action: entry.action,
      subject: entry.subject,
      address: entry.address,
      before: sql`${before}::text::jsonb`,
      after: sql`${JSON.stringify(entry.after)}::text::jsonb`,
    })
    .execute();
}
