import { sql } from "kysely";

import { announceChannels } from "../db/announce.ts";
import type { Db } from "../db/database.ts";

/**
 * Asks the devices whose newest attempt at a release failed to try once more. Not
 * those that may not have it (as in `outcome-queries.ts`), and none that found it
 * not to be what was signed for.
 *
 * @param never Numbers of the contract's FailureCode that no wish lifts.
 * @returns How many devices carry the wish after it, and for how many it is new.
 */
export async function askFailedDevices(
  db: Db,
  channel: string,
  revision: bigint,
  never: readonly number[],
): Promise<{ readonly asked: bigint; readonly newlyAsked: bigint }> {
  const exact = String(revision);
  const result = await sql<{ asked: bigint; newly_asked: bigint }>`
    with failed as materialized (
      select d.id, d.retry_revision
        from device d
        join device_status s on s.device_id = d.id
        join lateral (
          select a.outcome, a.failure_code from attempt a
           where a.channel = d.channel and a.revision = ${exact}::text::bigint
             and a.device_id = d.id
           order by a.first_reported_at desc, a.attempt_id desc limit 1) last on true
       where d.channel = ${channel} and d.standing = 'accepted'
         and s.committed_revision < ${exact}::text::bigint
         and (d.pinned_revision = 0 or d.pinned_revision >= ${exact}::text::bigint)
         and last.outcome in (${sql.join(FAILED.map((one) => sql.lit(one)))})
         and last.failure_code not in (${sql.join(never.map((one) => sql.lit(one)))})
       order by d.id for update of d
    ), asked as (
      update device set retry_revision = ${exact}::text::bigint
       where id in (select id from failed) and retry_revision <> ${exact}::text::bigint
      returning id
    )
    select (select count(*) from failed) as asked, (select count(*) from asked) as newly_asked`.execute(
    db,
  );
  const [row] = result.rows;
  if (row !== undefined && row.newly_asked > 0n) await announceChannels(db, [channel]);
  return { asked: row?.asked ?? 0n, newlyAsked: row?.newly_asked ?? 0n };
}

/** Numbers of the contract's Outcome: rolled back, and failed before anything was activated. */
const FAILED = [2, 3];
