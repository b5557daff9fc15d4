import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { changeDevices } from "../src/checkin/device-change-queries.ts";
import { parseDeviceFilter, type DeviceFilter } from "../src/checkin/device-filter.ts";
import { findDevices } from "../src/checkin/device-queries.ts";
import { countFleet } from "../src/checkin/fleet-queries.ts";
import type { Store } from "../src/db/store.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { seed } from "./manifests.testkit.ts";

const NOW = Date.UTC(2026, 0, 10);
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

function filterOf(text: string): DeviceFilter {
  const filter = parseDeviceFilter(text);
  if (typeof filter === "string") throw new Error(filter);
  return filter;
}

/** One device a line: what is stored of it, and what it reported, if it did. */
const FLEET: Readonly<
  Record<
    string,
    {
      channel?: string;
      target?: string;
      standing?: string;
      tags?: string[];
      system?: string;
      pinned?: number;
      conflict?: boolean;
      reported?: {
        state?: number;
        committed?: number;
        seenMsAgo?: number;
        clonedMsAgo?: number;
        outcome?: number;
      };
    }
  >
> = {
  "edge.1": { channel: "beta", tags: ["eu", "canary"], system: "aarch64-linux" },
  "gw-1": { tags: ["eu"], system: "x86_64-linux", reported: { state: 1, committed: 5 } },
  "gw-10": { target: "fridge", reported: { state: 11, committed: 4, outcome: 2 } },
  "gw-2": { standing: "pending" },
  "gw-3": { standing: "revoked", conflict: true, reported: { state: 1, seenMsAgo: 4 * DAY } },
  gw_: { channel: "beta", pinned: 3, reported: { state: 3, committed: 3, clonedMsAgo: MINUTE } },
  "gw.4": { reported: { state: 1, committed: 5, clonedMsAgo: 2 * DAY, outcome: 1 } },
  gx: { channel: "beta", reported: { state: 1, committed: 9, seenMsAgo: 2 * MINUTE } },
};

async function store(db: Store["db"]): Promise<void> {
  await sql`insert into channel (name, threshold, head_revision) values ('prod', 1, 5), ('beta', 1, 9)`.execute(
    db,
  );
  for (const [channel, target, revision] of [
    ["prod", "", 5],
    ["prod", "fridge", 4],
    ["beta", "", 9],
    ["beta", "", 11],
  ] as const) {
    await sql`insert into release (channel, revision, published_by)
      values (${channel}, ${revision}, 'ci')`.execute(db);
    await sql`insert into manifest (channel, target, revision, envelope, payload_sha256, system,
        store_path, closure_bytes, issued_at_s, not_after_s, message, source_revision)
      values (${channel}, ${target}, ${revision}, 'x', ${seed(revision)}, '', '', 0, 0, 0, '', '')`.execute(
      db,
    );
  }
  for (const [id, device] of Object.entries(FLEET)) {
    const { channel = "prod", target = "", standing = "accepted", tags = [] } = device;
    const { system = "", pinned = 0, conflict = false, reported } = device;
    await sql`insert into device (id, channel, target, standing, public_key, tags, system,
        pinned_revision, key_conflict_at)
      values (${id}, ${channel}, ${target}, ${standing}, ${seed(1)},
        array(select jsonb_array_elements_text(${JSON.stringify(tags)}::text::jsonb)), ${system},
        ${pinned}, ${conflict ? new Date(NOW) : null})`.execute(db);
    if (reported === undefined) continue;
    const { state = 0, committed = 0, seenMsAgo = 0, clonedMsAgo, outcome } = reported;
    await sql`insert into device_status (device_id, key_epoch, sequence, boot_id, state, running,
        booted, profile, floor_revision, floor_sha256, committed_revision, attempt_id,
        agent_version, agent_level, pinned_key_ids, quarantined_revisions, last_seen_at, cloned_at)
      values (${id}, 1, 1, '', ${state}, '', '', '', 0, '', ${committed},
        ${outcome === undefined ? null : "last"}, '', 1, '{}', '{}',
        ${new Date(NOW - seenMsAgo)}, ${clonedMsAgo === undefined ? null : new Date(NOW - clonedMsAgo)})`.execute(
      db,
    );
    // An attempt before the last one ended in another way.
    for (const [attempt, ended] of [
      ["before", 3],
      ["last", outcome],
    ] as const) {
      if (ended === undefined) continue;
      await sql`insert into attempt (device_id, attempt_id, channel, revision, outcome,
          failure_code, detail) values (${id}, ${attempt}, ${channel}, 1, ${ended}, 0, '')`.execute(
        db,
      );
    }
  }
}

describe.each(DATABASES)("the fleet on %s", (kind) => {
  let opened: Store;
  beforeAll(async () => {
    opened = await openTestStore(kind);
    await store(opened.db);
  });
  afterAll(async () => {
    await opened.close();
  });
  const page = async (text: string, after = "", limit = 500) => {
    const which = { after, limit, filter: filterOf(text), nowMs: NOW };
    return (await findDevices(opened.db, which)).map(({ id }) => id);
  };
  const others = (found: readonly string[]) =>
    Object.keys(FLEET)
      .filter((id) => !found.includes(id))
      .toSorted();

  test.each<[string, string[]]>([
    ["", ["edge.1", "gw-1", "gw-10", "gw-2", "gw-3", "gw.4", "gw_", "gx"]],
    ["channel:beta", ["edge.1", "gw_", "gx"]],
    ["channel:none", []],
    ["target:fridge", ["gw-10"]],
    ["tag:eu", ["edge.1", "gw-1"]],
    ["tag:eu tag:canary", ["edge.1"]],
    ["standing:pending", ["gw-2"]],
    ["system:aarch64-linux", ["edge.1"]],
    ["state:stuck", ["gw-10"]],
    ["state:unspecified", ["edge.1", "gw-2"]],
    ["outcome:rolled_back", ["gw-10"]],
    ["outcome:failed", []],
    ["revision:5", ["gw-1", "gw.4"]],
    ["revision:0", ["edge.1", "gw-2", "gw-3"]],
    ["seen:1m", ["gw-1", "gw-10", "gw.4", "gw_"]],
    ["unseen:3d", ["edge.1", "gw-2", "gw-3"]],
    ["id:gw-1", ["gw-1"]],
    ["id:gw-1*", ["gw-1", "gw-10"]],
    ["id:gw*", ["gw-1", "gw-10", "gw-2", "gw-3", "gw.4", "gw_"]],
    ["id:gw-*", ["gw-1", "gw-10", "gw-2", "gw-3"]],
    ["is:cloned", ["gw_"]],
    ["is:conflict", ["gw-3"]],
    ["is:pinned", ["gw_"]],
    ["is:behind", ["edge.1", "gw-2", "gw-3", "gw_"]],
    ["channel:prod state:idle seen:1h", ["gw-1", "gw.4"]],
  ])(
    "%o finds its devices, in the order of ids' bytes, and its opposite finds the others",
    async (text, found) => {
      expect(await page(text)).toEqual(found);
      if (text === "" || text.includes(" ")) return;
      expect(await page(`-${text}`)).toEqual(others(found));
    },
  );

  test.each([
    "channel:beta",
    "tag:eu",
    "state:stuck",
    "outcome:rolled_back",
    "unseen:3d",
    "is:behind",
  ])("an order about %o is about the devices that the list shows", async (text) => {
    const transaction = await opened.db.startTransaction().execute();
    const which = { kind: "found", filter: filterOf(text) } as const;
    const outcome = await changeDevices(
      transaction,
      { which, operable: "all", nowMs: NOW, isDryRun: false },
      {
        addTags: ["met"],
        removeTags: [],
        pinnedRevision: undefined,
        retryRevision: undefined,
        standing: undefined,
        publicKey: undefined,
      },
    );
    await transaction.rollback().execute();
    expect(outcome.deviceIds).toEqual(await page(text));
  });

  test("pages follow each other through what a filter finds, and end", async () => {
    const pages: string[][] = [];
    for (let after = ""; pages.at(-1)?.length !== 0; after = pages.at(-1)?.at(-1) ?? "") {
      pages.push(await page("id:g* -standing:revoked", after, 2));
    }
    expect(pages).toEqual([["gw-1", "gw-10"], ["gw-2", "gw.4"], ["gw_", "gx"], []]);
  });

  test("the fleet is counted by revision and state", async () => {
    const onlineForMs = 3 * MINUTE;
    expect(await countFleet(opened.db, { filter: [], nowMs: NOW, onlineForMs })).toEqual({
      devices: 8n,
      online: 5n,
      revisions: [
        { channel: "beta", revision: 0n, devices: 1n },
        { channel: "beta", revision: 3n, devices: 1n },
        { channel: "beta", revision: 9n, devices: 1n },
        { channel: "prod", revision: 0n, devices: 2n },
        { channel: "prod", revision: 4n, devices: 1n },
        { channel: "prod", revision: 5n, devices: 2n },
      ],
      states: [
        { state: 0, devices: 2n },
        { state: 1, devices: 4n },
        { state: 3, devices: 1n },
        { state: 11, devices: 1n },
      ],
    });
    const filter = filterOf("tag:eu seen:1h");
    expect(await countFleet(opened.db, { filter, nowMs: NOW, onlineForMs })).toMatchObject({
      devices: 1n,
      online: 1n,
      revisions: [{ channel: "prod", revision: 5n }],
    });
    const nobody = filterOf("id:none");
    expect(await countFleet(opened.db, { filter: nobody, nowMs: NOW, onlineForMs })).toEqual({
      devices: 0n,
      online: 0n,
      revisions: [],
      states: [],
    });
  });

  test("devices that each claim another revision and state do not make the counts endless", async () => {
    await sql`insert into device (id, channel, target, standing, public_key)
      select 'liar-' || n, 'lies', '', 'accepted', ${seed(1)} from generate_series(1, 1500) n`.execute(
      opened.db,
    );
    await sql`insert into device_status (device_id, key_epoch, sequence, boot_id, state, running,
        booted, profile, floor_revision, floor_sha256, committed_revision, agent_version,
        agent_level, pinned_key_ids, quarantined_revisions)
      select 'liar-' || n, 1, 1, '', 1000 + n, '', '', '', 0, '', 1000 + n / 2, '', 1, '{}', '{}'
        from generate_series(1, 1500) n`.execute(opened.db);
    const counts = await countFleet(opened.db, { filter: [], nowMs: NOW, onlineForMs: MINUTE });
    expect(counts.devices).toBe(1508n);
    expect([counts.states.length, counts.revisions.length]).toEqual([1000, 757]);
    // Those with the most devices are kept.
    expect(counts.states.slice(0, 2)).toEqual([
      { state: 0, devices: 2n },
      { state: 1, devices: 4n },
    ]);
  });
});

// On PostgreSQL alone: the embedded database does not count how tables are read.
test("of 100 000 devices those of a channel, tag, standing or beginning of an id are found without reading all", async () => {
  const opened = await openTestStore("postgresql");
  try {
    await sql`insert into device (id, channel, target, standing, public_key, tags)
      select 'gw-' || n, 'ch-' || n % 10, '',
             case when n % 1000 = 7 then 'pending' else 'accepted' end, ${seed(1)},
             case when n % 500 = 3 then '{rare,eu}'::text[] when n % 3 = 0 then '{eu}' else '{}' end
        from generate_series(1, 100000) n order by n % 97`.execute(opened.db);
    await sql`analyze device`.execute(opened.db);
    const used = await opened.db.connection().execute(async (db) => {
      /** How often the table was read whole, and each of its indexes. */
      const reads = async () => {
        await sql`select pg_stat_force_next_flush()`.execute(db);
        const { rows } = await sql<{ name: string; times: bigint }>`
          select 'the whole' as name, seq_scan as times from pg_stat_user_tables
           where relname = 'device'
          union all select indexrelname, idx_scan from pg_stat_user_indexes
           where relname = 'device'`.execute(db);
        return new Map(rows.map(({ name, times }) => [name, times]));
      };
      const usedFor = async (text: string) => {
        const before = await reads();
        const which = { filter: filterOf(text), nowMs: NOW };
        const [first] = await findDevices(db, { ...which, after: "", limit: 50 });
        await findDevices(db, { ...which, after: first?.id ?? "", limit: 50 });
        const after = await reads();
        // The planner looks into the primary key, whatever it decides.
        const told = [...after.keys()].filter((name) => name !== "device_pkey");
        return told.filter((name) => after.get(name) !== before.get(name)).join();
      };
      const found: Record<string, string> = {};
      for (const text of [
        "",
        "channel:ch-3",
        "tag:rare",
        "standing:pending",
        "-standing:accepted",
        "id:gw-4242*",
        "is:pinned",
      ]) {
        found[text] = await usedFor(text);
      }
      return found;
    });
    expect(used).toEqual({
      "": "",
      "channel:ch-3": "device_by_channel",
      "tag:rare": "device_by_tag",
      "standing:pending": "device_by_standing",
      "-standing:accepted": "device_by_standing",
      "id:gw-4242*": "",
      // So that reading all is seen to be told.
      "is:pinned": "the whole",
    });
  } finally {
    await opened.close();
  }
});
