import { sql } from "kysely";
import { describe, expect, test } from "vitest";

import { dropOldEvents } from "../src/db/event-retention.ts";
import { ensurePartitionsOfEvents } from "../src/db/partitions.ts";
import type { Store } from "../src/db/store.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";

/** Events of one device in each of the last months; the oldest stays outside of every partition. */
async function withMonths(store: Store, months: number): Promise<void> {
  await sql`insert into device (id, channel, target, standing, public_key)
    values ('gw-1', 'prod', '', 'accepted', sha256('k'))`.execute(store.db);
  await sql`insert into device_event (device_id, event_id, number, received_at, detail)
    select 'gw-1', 'age-' || n, n, date_trunc('month', now() at time zone 'UTC') at time zone 'UTC'
           - n * interval '1 month' + interval '1 day', 'x' from generate_series(0, ${months}::int) n`.execute(
    store.db,
  );
  await store.db.transaction().execute(ensurePartitionsOfEvents);
  await sql`insert into device_event (device_id, event_id, number, received_at, detail)
    values ('gw-1', 'stray', 99, '2001-01-01', 'x')`.execute(store.db);
}

async function kept({ db }: Store): Promise<readonly string[]> {
  const rows = await sql<{ id: string }>`
    select event_id as id from device_event order by number`.execute(db);
  return rows.rows.map(({ id }) => id);
}

describe.each(DATABASES)("events on %s", (kind) => {
  test("go by whole months once the last day of theirs is old enough", async () => {
    const store = await openTestStore(kind);
    try {
      await withMonths(store, 5);
      const ages = await sql<{ n: number; days: number }>`
        select n, extract(epoch from now() - (date_trunc('month', now() at time zone 'UTC')
                 - (n - 1) * interval '1 month') at time zone 'UTC')::float8 / 86400 as days
          from generate_series(1, 5) n order by n`.execute(store.db);
      // The month before the one before: exactly as many days ago as it ended, and less by a day.
      const ended = ages.rows[1]?.days ?? 0;
      expect(await dropOldEvents(store.db, Math.ceil(ended))).toMatchObject({ strays: 1 });
      expect(await kept(store)).toEqual(["age-0", "age-1", "age-2"]);
      expect(await dropOldEvents(store.db, Math.floor(ended))).toEqual({
        months: [expect.stringMatching(/^device_event_\d{4}_\d{2}$/)],
        strays: 0,
      });
      expect(await kept(store)).toEqual(["age-0", "age-1"]);
      const strays = await sql`select from device_event_other`.execute(store.db);
      expect(strays.rows).toEqual([]);
    } finally {
      await store.close();
    }
  });
});

test("a drop gives way to a report under way, and the next round does it", async () => {
  const store = await openTestStore("postgresql");
  try {
    await withMonths(store, 3);
    await store.db.transaction().execute(async (report) => {
      await sql`insert into device_event (device_id, event_id, number, detail)
        values ('gw-1', 'under way', 100, 'x')`.execute(report);
      expect(await dropOldEvents(store.db, 1)).toEqual({ months: [], strays: 1 });
    });
    expect((await dropOldEvents(store.db, 1)).months.length).toBe(3);
    expect(await kept(store)).toEqual(["age-0", "under way"]);
  } finally {
    await store.close();
  }
});
