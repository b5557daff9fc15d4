import { sql } from "kysely";

import type { Db } from "./database.ts";

/** Some 24 days: the longest that a timer can wait. */
const MOST_MS = 2 ** 31 - 1;

/**
 * Lets the statements of a transaction take longer than those of a device may.
 * Give the transaction, at whose end it is over. PostgreSQL hears it, and so does
 * the connection, which else gives up a database that is silent for so long.
 *
 * @param limitMs Of each statement, milliseconds; 0: as long as it takes.
 */
export async function allowTime(db: Db, limitMs: number): Promise<void> {
  await sql.raw(`set local statement_timeout = ${limitMs}`).execute(db);
}

/** Milliseconds that a statement allows those after it in its transaction; undefined: it says nothing of it. */
export function timeAllowedBy(text: string): number | undefined {
  const limit = /^set local statement_timeout = (\d+)$/.exec(text)?.[1];
  if (limit === undefined) return undefined;
  return limit === "0" ? MOST_MS : Math.min(MOST_MS, Number(limit));
}
