import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { AgentState, Outcome, ReportSchema } from "@nix-ota/proto/nixota/v1/device_pb";
import { type Kysely, sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { pinDevice } from "../src/checkin/identity-queries.ts";
import { commitReports as commitReportsBy } from "../src/checkin/report-queries.ts";
import { reportRow, type ReportRow } from "../src/checkin/report-row.ts";
import type { Database } from "../src/db/database.ts";
import { sqlFault } from "../src/db/sql-fault.ts";
import type { Store } from "../src/db/store.ts";
import { findReleases } from "../src/publish/release-queries.ts";
import { counting } from "./counting.testkit.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { seed } from "./manifests.testkit.ts";

const commitReports = (db: Kysely<Database>, rows: readonly ReportRow[]) =>
  commitReportsBy(db, rows, "open");
const hex = (number: number) => number.toString(16).padStart(32, "0");

describe.each(DATABASES)("a batch of reports on %s", (kind) => {
  let store: Store;
  beforeAll(async () => {
    store = await openTestStore(kind);
  });
  afterAll(async () => {
    await store.close();
  });

  const pin = async (...ids: string[]) => {
    for (const id of ids) {
      const device = { id, publicKey: seed(1), channel: "prod", target: "" } as const;
      await pinDevice(store.db, { ...device, standing: "accepted", enrolledBy: "open" });
    }
  };
  const row = (
    deviceId: string,
    sequence: number,
    fields: MessageInitShape<typeof ReportSchema> = {},
    keyEpoch = 1,
  ) =>
    reportRow(
      create(ReportSchema, { deviceId, sequence: BigInt(sequence), channel: "prod", ...fields }),
      keyEpoch,
    );
  const event = (number: number, message = "") => ({
    id: hex(number),
    number: BigInt(number),
    message,
  });
  const count = async (table: "device_event" | "attempt" | "device_status", deviceId: string) =>
    Number(
      (
        await store.db
          .selectFrom(table)
          .where("device_id", "=", deviceId)
          .select(({ fn }) => fn.countAll().as("rows"))
          .executeTakeFirstOrThrow()
      ).rows,
    );

  test("takes three statements at most, whatever its size, and one when nothing happened", async () => {
    const ids = Array.from({ length: 500 }, (_, index) => `many-${index}`);
    await pin(...ids);
    const { db, counted } = counting(store.db);
    const attempt = { id: hex(1), channel: "prod", revision: 1n };
    await commitReports(
      db,
      ids.map((id) => row(id, 1, { attempt, events: [event(1), event(2)] })),
    );
    expect(counted()).toBe(3);
    await commitReports(
      db,
      ids.map((id) => row(id, 2)),
    );
    expect(counted()).toBe(1);
  });

  test("an attempt that did not change is not written again", async () => {
    await pin("still");
    const attempt = { id: hex(1), channel: "prod", revision: 1n, state: AgentState.FETCHING };
    const version = async () =>
      (
        await sql<{ xmin: string }>`
          select xmin::text from attempt where device_id = 'still'`.execute(store.db)
      ).rows;
    await commitReports(store.db, [row("still", 1, { attempt })]);
    const before = await version();
    await commitReports(store.db, [row("still", 2, { attempt })]);
    expect(await version()).toEqual(before);
    await commitReports(store.db, [
      row("still", 3, { attempt: { ...attempt, outcome: Outcome.APPLIED } }),
    ]);
    expect(await version()).not.toEqual(before);
  });

  test("an attempt is not put back by an older report, nor forgotten when only that one told of it", async () => {
    await pin("late");
    const attempt = (id: number, outcome: Outcome) => ({
      id: hex(id),
      channel: "prod",
      revision: 1n,
      outcome,
    });
    await commitReports(store.db, [row("late", 5, { attempt: attempt(1, Outcome.APPLIED) })]);
    await commitReports(store.db, [row("late", 4, { attempt: attempt(1, Outcome.UNSPECIFIED) })]);
    await commitReports(store.db, [row("late", 3, { attempt: attempt(2, Outcome.FAILED) })]);
    const stored = await store.db
      .selectFrom("attempt")
      .where("device_id", "=", "late")
      .orderBy("attempt_id")
      .select("outcome")
      .execute();
    expect(stored).toEqual([{ outcome: Outcome.APPLIED }, { outcome: Outcome.FAILED }]);
  });

  test("of several attempts at a revision that one report tells of, the last one counts", async () => {
    await sql`insert into channel (name, threshold, head_revision) values ('tries', 1, 1)`.execute(
      store.db,
    );
    await sql`insert into release (channel, revision, published_by) values ('tries', 1, 'ci')`.execute(
      store.db,
    );
    await sql`insert into rollout (channel, revision) values ('tries', 1)`.execute(store.db);
    await pin("offline");
    const channel = "tries";
    const tried = (number: number, id: string, outcome: Outcome) => ({
      ...event(number),
      attempt: { id, channel, revision: 1n, outcome },
    });
    // The ids are random: their order says nothing.
    const [first, second] = [hex(0xff), hex(1)];
    await commitReports(store.db, [
      row("offline", 1, {
        channel,
        attempt: { id: second, channel, revision: 1n, outcome: Outcome.APPLIED },
        events: [tried(1, first, Outcome.INTERRUPTED), tried(2, second, Outcome.APPLIED)],
      }),
    ]);
    const [release] = await findReleases(store.db, channel, { exactly: 1n });
    expect(release?.outcomes).toMatchObject({ applied: 1n, outstanding: 0n });
  });

  test("events that two processes bring at once are counted once", async () => {
    await pin("twice");
    for (let round = 0; round < 10; round += 1) {
      const events = [event(2 * round), event(2 * round + 1)];
      await Promise.all(
        [1, 2, 3].map((process) =>
          commitReports(store.db, [row("twice", 3 * round + process, { events })]),
        ),
      );
    }
    expect(await count("device_event", "twice")).toBe(20);
  });

  test("batches that share devices in another order do not block each other", async () => {
    const ids = Array.from({ length: 80 }, (_, index) => `deadlock-${index}`);
    await pin(...ids);
    for (let round = 1; round <= 12; round += 1) {
      const batch = ids.map((id) => row(id, round, { events: [event(round)] }));
      await Promise.all(
        [batch, batch.toReversed(), batch, batch.toReversed()].map((rows) =>
          commitReports(store.db, rows),
        ),
      );
    }
    expect(await Promise.all(ids.map((id) => count("device_event", id)))).toEqual(
      ids.map(() => 12),
    );
  });

  test("a device that may not report leaves nothing behind, and the others are unharmed", async () => {
    await pin("good", "revoked", "rekeyed");
    await sql`update device set standing = 'revoked' where id = 'revoked'`.execute(store.db);
    await sql`update device set key_epoch = 2 where id = 'rekeyed'`.execute(store.db);
    const fields = { events: [event(1)], attempt: { id: hex(1), channel: "prod", revision: 1n } };
    const outcomes = await commitReports(
      store.db,
      ["good", "revoked", "rekeyed", "stranger"].map((id) => row(id, 1, fields)),
    );
    expect(outcomes.map((one) => one.kind)).toEqual([
      "durable",
      "refused",
      "key-replaced",
      "device-unknown",
    ]);
    const left = async (id: string) =>
      (await count("device_status", id)) +
      (await count("attempt", id)) +
      (await count("device_event", id));
    expect(await Promise.all(["good", "revoked", "rekeyed", "stranger"].map(left))).toEqual([
      3, 0, 0, 0,
    ]);
  });

  test("a reimaged device is heard: another key epoch comes before any sequence", async () => {
    await pin("reimaged");
    await commitReports(store.db, [row("reimaged", 1000, { bootId: "old" })]);
    await sql`update device set key_epoch = 2 where id = 'reimaged'`.execute(store.db);
    const [outcome] = await commitReports(store.db, [row("reimaged", 1, { bootId: "new" }, 2)]);
    expect(outcome).toMatchObject({ kind: "durable", sequence: 1n });
    const status = await store.db
      .selectFrom("device_status")
      .where("device_id", "=", "reimaged")
      .select(["boot_id", "sequence", "key_epoch"])
      .executeTakeFirstOrThrow();
    expect(status).toEqual({ boot_id: "new", sequence: 1n, key_epoch: 2 });
  });

  test("nothing that a heartbeat changes stands in an index, and pages have room for the next row", async () => {
    const { rows } = await sql<{ definition: string; options: string[] }>`
      select pg_get_indexdef(i.indexrelid) as definition, c.reloptions as options
        from pg_index i join pg_class c on c.oid = i.indrelid
       where c.oid = 'device_status'::regclass`.execute(store.db);
    expect(rows).toEqual([
      {
        definition:
          "CREATE UNIQUE INDEX device_status_pkey ON public.device_status USING btree (device_id)",
        options: ["fillfactor=85"],
      },
    ]);
  });

  test("the schema's own rules are named when they refuse", async () => {
    const fault = async (statement: ReturnType<typeof sql>) =>
      sqlFault(await statement.execute(store.db).catch((error: unknown) => error));
    await sql`insert into channel (name, head_revision, threshold) values ('rules', 5, 1)`.execute(
      store.db,
    );
    await sql`insert into audit (actor, action, subject, address) values ('a', 'b', 'c', 'd')`.execute(
      store.db,
    );
    expect([
      await fault(sql`update channel set head_revision = 4 where name = 'rules'`),
      await fault(sql`update audit set actor = 'x'`),
      await fault(sql`delete from audit`),
      await fault(sql`insert into listing (digest, content) values (sha256('a'), 'b')`),
      await fault(sql`insert into channel (name, threshold) values ('Rules', 1)`),
      await fault(
        sql`insert into release (channel, revision, published_by) values ('rules', 0, 'x')`,
      ),
      await fault(sql`insert into device (id, channel, target, standing, public_key)
                      values ('short', 'prod', '', 'accepted', 'short')`),
    ]).toEqual(
      [
        "channel_head_never_falls",
        "audit_append_only",
        "audit_append_only",
        "listing_digest_is_sha256",
        "channel_name_form",
        "release_revision_range",
        "device_key_length",
      ].map((constraint) => ({ kind: "data", constraint })),
    );
  });
});

// On PostgreSQL alone: the embedded database has one session.
test("a report that a newer one overtakes at another replica is acknowledged with a number", async () => {
  const store = await openTestStore("postgresql");
  try {
    const device = { id: "gw-1", publicKey: seed(1), channel: "prod", target: "" } as const;
    await pinDevice(store.db, { ...device, standing: "accepted", enrolledBy: "open" });
    const newer = await store.db.startTransaction().execute();
    await sql`insert into device_status (device_id, key_epoch, sequence, boot_id, state, running,
        booted, profile, floor_revision, floor_sha256, committed_revision, agent_version,
        agent_level, pinned_key_ids, quarantined_revisions)
      values ('gw-1', 1, 5, '', 1, '', '', '', 0, '', 0, '', 1, '{}', '{}')`.execute(newer);
    const older = create(ReportSchema, { deviceId: "gw-1", sequence: 3n, channel: "prod" });
    const late = commitReports(store.db, [reportRow(older, 1)]);
    await vi.waitUntil(async () => {
      const waiting = await sql`
        select from pg_locks where not granted and locktype = 'transactionid'`.execute(store.db);
      return waiting.rows.length > 0;
    }, 10_000);
    await newer.commit().execute();
    expect(await late).toMatchObject([{ kind: "durable", sequence: 3n }]);
  } finally {
    await store.close();
  }
});
