import { sql, type Kysely } from "kysely";

import type { Database } from "./database.ts";
import { sqlFault } from "./sql-fault.ts";

/**
 * How long a drop waits for reports under way. Those that come meanwhile wait
 * behind it, so it is short; the next round tries again.
 */
const LOCK_LIMIT_MS = 1_000;
/** Strays of the default partition that one statement deletes, and statements of one round. */
const STRAYS = { rows: 5_000, statements: 20 };

/** What was dropped. */
export interface DroppedEvents {
  /** Names of the months' partitions. */
  readonly months: readonly string[];
  /** Events outside of every month. */
  readonly strays: number;
}

/**
 * Drops the device events of months that ended so many days ago or more, by the
 * database's clock: a month at a time as a whole, which costs the same however
 * many events it holds.
 */
export async function dropOldEvents(db: Kysely<Database>, days: number): Promise<DroppedEvents> {
  const months = await sql<{ name: string }>`
    select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'device_event'::regclass
       and c.relname ~ '^device_event_[0-9]{4}_[0-9]{2}$'
       and (to_timestamp(right(c.relname, 7), 'YYYY_MM')::timestamp + interval '1 month')
           at time zone 'UTC' <= now() - ${days} * interval '1 day'
     order by 1`.execute(db);
  const dropped: string[] = [];
  for (const { name } of months.rows) {
    if (!(await dropMonth(db, name))) break;
    dropped.push(name);
  }
  return { months: dropped, strays: await deleteStrays(db, days) };
}

/** @returns Whether it could be locked in time. */
async function dropMonth(db: Kysely<Database>, name: string): Promise<boolean> {
  try {
    await db.transaction().execute(async (transaction) => {
      await sql`set local lock_timeout = ${sql.lit(LOCK_LIMIT_MS)}`.execute(transaction);
      // In the order in which reports take them: neither waits in a circle.
      await sql`lock table device, device_event in access exclusive mode`.execute(transaction);
      await sql`drop table if exists ${sql.table(name)}`.execute(transaction);
    });
    return true;
  } catch (error) {
    if (sqlFault(error)?.kind === "conflict") return false;
    throw error;
  }
}

async function deleteStrays(db: Kysely<Database>, days: number): Promise<number> {
  let all = 0;
  for (let statement = 0; statement < STRAYS.statements; statement += 1) {
    const { rows } = await sql<{ count: number }>`
      with gone as (
        delete from device_event_other where ctid = any(array(
          select ctid from device_event_other
           where received_at < now() - ${days} * interval '1 day' limit ${sql.lit(STRAYS.rows)}))
        returning 1)
      select count(*)::int as count from gone`.execute(db);
    const count = rows[0]?.count ?? 0;
    all += count;
    if (count < STRAYS.rows) break;
  }
  return all;
}
