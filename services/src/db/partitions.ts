import { sql, type Kysely } from "kysely";

import type { Database } from "./database.ts";

const MONTHS_AHEAD = 2;

/**
 * Makes the months of the event history up to two ahead, by the database's
 * clock. Idempotent; processes take turns. Events meet the default partition
 * where a month is missing, so a failure here loses nothing.
 */
export async function ensureEventPartitions(db: Kysely<Database>): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await sql`select pg_advisory_xact_lock(hashtext('nix_ota_partitions'))`.execute(transaction);
    const months = await sql<{ name: string; from: string; to: string; found: boolean }>`
      select to_char(month, '"device_event_"YYYY_MM') as name,
             to_char(month, 'YYYY-MM-DD"T00:00:00Z"') as from,
             to_char(month + interval '1 month', 'YYYY-MM-DD"T00:00:00Z"') as to,
             to_regclass(to_char(month, '"device_event_"YYYY_MM')) is not null as found
        from generate_series(0, ${sql.lit(MONTHS_AHEAD)}) as ahead,
             lateral (select date_trunc('month', now() at time zone 'UTC')
                             + ahead * interval '1 month' as month) as m`.execute(transaction);
    for (const month of months.rows.filter(({ found }) => !found)) {
      await sql`create table ${sql.table(month.name)} partition of device_event
        for values from (${sql.lit(month.from)}) to (${sql.lit(month.to)})`.execute(transaction);
    }
  });
}
