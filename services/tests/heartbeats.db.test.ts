import { create } from "@bufbuild/protobuf";
import { ReportSchema } from "@nix-ota/proto/nixota/v1/device_pb";
import { sql } from "kysely";
import { expect, test } from "vitest";

import { commitReports } from "../src/checkin/report-queries.ts";
import { reportRow } from "../src/checkin/report-row.ts";
import type { Store } from "../src/db/store.ts";
import { openTestStore } from "./databases.testkit.ts";

const DEVICES = 100_000;
const BATCH = 500;

// On PostgreSQL alone, whose counters tell how an update was made.
test("heartbeats of 100 000 devices in any order write no index entries", async () => {
  const store = await openTestStore("postgresql");
  try {
    await sql`insert into device (id, channel, target, standing, public_key)
      select 'gw-' || n, 'prod', '', 'accepted', sha256(n::text::bytea)
        from generate_series(1, ${sql.lit(DEVICES)}) as n`.execute(store.db);
    // As if they had reported once, in an order without a pattern.
    await sql`insert into device_status (
        device_id, key_epoch, sequence, boot_id, state, running, booted, profile, floor_revision,
        floor_sha256, committed_revision, agent_version, agent_level, pinned_key_ids,
        quarantined_revisions)
      select id, 1, 1, gen_random_uuid(), 1, repeat('r', 65), repeat('b', 65), repeat('p', 65), 1,
             public_key, 1, '0.1.0', 1, '{}', '{}'
        from device order by md5(id)`.execute(store.db);
    await sql`vacuum analyze device_status`.execute(store.db);
    const before = await updates(store);
    await heartbeats(store, shuffled(DEVICES));
    const after = await updates(store);
    const [all, hot] = [after.all - before.all, after.hot - before.hot];
    expect(all).toBe(DEVICES);
    expect(hot / all).toBeGreaterThanOrEqual(0.99);
  } finally {
    await store.close();
  }
}, 240_000);

async function heartbeats({ db }: Store, order: readonly number[]) {
  for (let from = 0; from < order.length; from += BATCH) {
    const rows = order.slice(from, from + BATCH).map((number) => {
      const report = create(ReportSchema, {
        deviceId: `gw-${number}`,
        channel: "prod",
        bootId: "b3f1c7e2-5d0a-4f4e-9a57-0c1d2e3f4a5b",
        sequence: 2n,
        links: { running: `/nix/store/${"a".repeat(32)}-nixos-system-sim-24.11` },
        agentVersion: "0.1.0",
      });
      return reportRow(report, 1);
    });
    await commitReports(db, rows, "open");
  }
}

/** Updates of the hot row so far, and those that found room beside their row. */
async function updates({ db }: Store): Promise<{ all: number; hot: number }> {
  // Each session hands its counts in when it is idle; this one's are asked for.
  await sql`select pg_stat_force_next_flush()`.execute(db);
  const { rows } = await sql<{ all: bigint; hot: bigint }>`
    select n_tup_upd as all, n_tup_hot_upd as hot
      from pg_stat_user_tables where relname = 'device_status'`.execute(db);
  const [row] = rows;
  return { all: Number(row?.all), hot: Number(row?.hot) };
}

/** 1 to `count` in an order that is the same in every run and has no other pattern. */
function shuffled(count: number): number[] {
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  let state = count;
  for (let last = count - 1; last > 0; last -= 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const other = Math.floor((state / 2 ** 32) * (last + 1));
    const kept = numbers[last] ?? 0;
    numbers[last] = numbers[other] ?? 0;
    numbers[other] = kept;
  }
  return numbers;
}
