import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { pinDevice } from "../src/checkin/identity-queries.ts";
import { ensureEventPartitions } from "../src/db/partitions.ts";
import type { Store } from "../src/db/store.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { seed } from "./manifests.testkit.ts";

describe.each(DATABASES)("the months of the event history on %s", (kind) => {
  let store: Store;
  beforeAll(async () => {
    store = await openTestStore(kind);
  });
  afterAll(async () => {
    await store.close();
  });

  const eventsByPartition = async () =>
    (
      await sql<{ place: string; id: string }>`
        select tableoid::regclass::text as place, event_id as id
          from device_event order by event_id`.execute(store.db)
    ).rows;

  test("are made although events came before them, as after a clock that jumped", async () => {
    const device = { id: "early", publicKey: seed(1), channel: "prod", target: "" } as const;
    await pinDevice(store.db, { ...device, standing: "accepted", enrolledBy: "open" });
    const months = await sql<{ name: string }>`
      select inhrelid::regclass::text as name from pg_inherits
       where inhparent = 'device_event'::regclass and inhrelid <> 'device_event_other'::regclass
       order by 1`.execute(store.db);
    const [current = ""] = months.rows.map(({ name }) => name);
    await sql`drop table ${sql.table(current)}`.execute(store.db);
    await sql`insert into device_event (device_id, event_id, number, received_at, detail) values
      ('early', 'met', 1, now(), 'x'), ('early', 'long-ago', 2, '2001-01-01T00:00:00Z', 'y')`.execute(
      store.db,
    );
    expect(await eventsByPartition()).toEqual([
      { place: "device_event_other", id: "long-ago" },
      { place: "device_event_other", id: "met" },
    ]);
    await ensureEventPartitions(store.db);
    expect(await eventsByPartition()).toEqual([
      { place: "device_event_other", id: "long-ago" },
      { place: current, id: "met" },
    ]);
    // The month is one like the others: a device that goes takes its events along.
    await store.db.deleteFrom("device").where("id", "=", "early").execute();
    expect(await eventsByPartition()).toEqual([]);
    await ensureEventPartitions(store.db);
  });
});

test("do not keep everybody waiting behind somebody who holds the tables", async () => {
  const store = await openTestStore("postgresql");
  const months = await sql<{ name: string }>`
    select inhrelid::regclass::text as name from pg_inherits
     where inhparent = 'device_event'::regclass and inhrelid <> 'device_event_other'::regclass
     order by 1`.execute(store.db);
  await sql`drop table ${sql.table(months.rows[0]?.name ?? "")}`.execute(store.db);
  await store.db.transaction().execute(async (holder) => {
    await sql`lock table device in row exclusive mode`.execute(holder);
    await expect(ensureEventPartitions(store.db, 100)).rejects.toMatchObject({ code: "55P03" });
  });
  await ensureEventPartitions(store.db, 100);
  await store.close();
});
