import { sql, type Kysely, type Transaction } from "kysely";

import type { Database } from "./database.ts";

const MONTHS_AHEAD = 2;

/** While this waits for a lock, whoever comes after it waits as well. */
const LOCK_WAIT_MS = 5_000;

/**
 * Makes the months of the event history up to two ahead, by the database's
 * clock. Idempotent; processes take turns. Events meet the default partition
 * where a month is missing, so a failure here loses nothing.
 *
 * @param lockWaitMs Longest wait for each lock, milliseconds; one that is held for longer is a
 *   fault of the kind `conflict`, and nothing is changed.
 */
export async function ensureEventPartitions(
  db: Kysely<Database>,
  lockWaitMs: number = LOCK_WAIT_MS,
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await sql`set local lock_timeout = ${sql.lit(lockWaitMs)}`.execute(transaction);
    await sql`select pg_advisory_xact_lock(hashtext('nix_ota_partitions'))`.execute(transaction);
    const months = await sql<Month & { found: boolean }>`
      select to_char(month, '"device_event_"YYYY_MM') as name,
             to_char(month, 'YYYY-MM-DD"T00:00:00Z"') as from,
             to_char(month + interval '1 month', 'YYYY-MM-DD"T00:00:00Z"') as to,
             to_regclass(to_char(month, '"device_event_"YYYY_MM')) is not null as found
        from generate_series(0, ${sql.lit(MONTHS_AHEAD)}) as ahead,
             lateral (select date_trunc('month', now() at time zone 'UTC')
                             + ahead * interval '1 month' as month) as m`.execute(transaction);
    for (const month of months.rows.filter(({ found }) => !found)) {
      await makePartition(transaction, month);
    }
  });
}

/** Gives each month of the events in the default partition one of its own. */
export async function ensurePartitionsOfEvents(db: Transaction<Database>): Promise<void> {
  const months = await sql<Month>`
    select to_char(month, '"device_event_"YYYY_MM') as name,
           to_char(month, 'YYYY-MM-DD"T00:00:00Z"') as from,
           to_char(month + interval '1 month', 'YYYY-MM-DD"T00:00:00Z"') as to
      from (select distinct date_trunc('month', received_at at time zone 'UTC') as month
              from device_event_other) as m
     order by month`.execute(db);
  for (const month of months.rows) await makePartition(db, month);
}

/** A partition to be: its table, its first moment and the first one after it. */
interface Month {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/**
 * Events of the month can be there already: a machine without a battery starts
 * in the past, makes the months after it, and is told the time a moment later.
 * PostgreSQL makes no partition for rows that the default one holds, so they
 * are moved into a table that becomes the partition.
 */
async function makePartition(db: Transaction<Database>, month: Month): Promise<void> {
  const [table, from, to] = [sql.table(month.name), sql.lit(month.from), sql.lit(month.to)];
  // Nobody adds to the default partition between the move and the change. Both
  // are needed, and reports take them in this order: neither waits in a circle.
  await sql`lock table device, device_event in share row exclusive mode`.execute(db);
  await sql`create table ${table} (like device_event including defaults)`.execute(db);
  await sql`
    with moved as (
      delete from device_event_other where received_at >= ${from} and received_at < ${to} returning *)
    insert into ${table} select * from moved`.execute(db);
  await sql`alter table device_event attach partition ${table}
    for values from (${from}) to (${to})`.execute(db);
}
