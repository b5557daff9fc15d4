import { sql } from "kysely";

import { HEAD_NOTIFICATION, type Db } from "./database.ts";

/**
 * Tells every process, once the transaction is committed, that offers on these
 * channels have to be decided anew: raises their versions, which are re-read,
 * and notifies, which is only quicker. For changes of rollouts and devices; a
 * change of the channel's own row raises its version by itself.
 *
 * Holds the channels until the transaction ends, in the order of their names.
 */
export async function announceChannels(db: Db, channels: readonly string[]): Promise<void> {
  const names = JSON.stringify([...new Set(channels)].toSorted());
  await sql`
    with held as materialized (
      select c.name from channel c
       where c.name in (select jsonb_array_elements_text(${names}::text::jsonb))
       order by c.name for update)
    update channel set paused = paused where name in (select name from held)`.execute(db);
  await sql`
    select pg_notify(${HEAD_NOTIFICATION}, name)
      from jsonb_array_elements_text(${names}::text::jsonb) as name`.execute(db);
}
