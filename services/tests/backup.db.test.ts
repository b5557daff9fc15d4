import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { recordAudit } from "../src/access/queries.ts";
import { ExportDamaged } from "../src/backup/export-file.ts";
import { exportDatabase } from "../src/backup/export.ts";
import { checkExport, importDatabase } from "../src/backup/import.ts";
import { markRestored } from "../src/backup/mark-restored.ts";
import { findTables } from "../src/backup/table-queries.ts";
import { TABLES } from "../src/db/database.ts";
import { migrate, migrateWithin, SchemaTooNew } from "../src/db/migrate.ts";
import type { Store } from "../src/db/store.ts";
import {
  DATABASES,
  openEmptyStore,
  openTestStore,
  type DatabaseKind,
} from "./databases.testkit.ts";
import { dump, fillEveryTable } from "./filled-database.testkit.ts";

const NOW = new Date("2026-11-25T18:00:00Z");

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "nix-ota-backup-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const at = (name: string) => join(folder, name);

async function withStore<T>(opened: Promise<Store>, use: (store: Store) => Promise<T>): Promise<T> {
  const store = await opened;
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

async function exported(store: Store, name: string): Promise<string> {
  await exportDatabase(store, { file: at(name), version: "0.1.0", now: NOW });
  return at(name);
}

async function imported(store: Store, file: string) {
  const header = await checkExport(file);
  return await importDatabase(store, { file, header, onTable: () => undefined });
}

const OTHER: Readonly<Record<DatabaseKind, DatabaseKind>> = {
  embedded: "postgresql",
  postgresql: "embedded",
};

describe.each(DATABASES)("an export from %s", (kind) => {
  let file = "";
  let before: Readonly<Record<string, readonly string[]>> = {};
  beforeAll(async () => {
    await withStore(openTestStore(kind), async (store) => {
      await fillEveryTable(store.db);
      before = await dump(store);
      file = await exported(store, `from-${kind}`);
    });
  });

  test("holds every row of every table, for its owner alone", async () => {
    expect(Object.keys(before).toSorted()).toEqual(Object.keys(TABLES).toSorted());
    for (const [table, rows] of Object.entries(before))
      expect({ table, rows }).not.toEqual({ table, rows: [] });
    const [head = "", ...lines] = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(JSON.parse(head)).toMatchObject({ version: "0.1.0", exportedAt: NOW.toISOString() });
    const rows = lines.filter((line) => line.startsWith("["));
    expect(rows.toSorted()).toEqual(Object.values(before).flat().toSorted());
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("comes to the other database as it was, marked as restored", async () => {
    await withStore(openEmptyStore(OTHER[kind]), async (store) => {
      const result = await imported(store, file);
      expect(result).toMatchObject({
        kind: "imported",
        rows: Object.values(before).flat().length,
        restored: {
          suspendedTokens: 1,
          suspendedEnrolmentTokens: 1,
          pausedChannels: ["edge", "prod"],
        },
      });
      const after = await dump(store);
      const marked = [
        "installation",
        "operator_token",
        "enrolment_token",
        "console_session",
        "channel",
        "audit",
      ];
      for (const table of Object.keys(TABLES).filter((name) => !marked.includes(name))) {
        expect({ table, rows: after[table] }).toEqual({ table, rows: before[table] });
      }
      expect(after["console_session"]).toEqual([]);
      expect(after["installation"]).not.toEqual(before["installation"]);
      expect(after["audit"]?.length).toBe((before["audit"]?.length ?? 0) + 1);
      await recordAudit(store.db, { actor: "", action: "x", subject: "", address: "", after: {} });
      // Undoing the marks leaves what was exported.
      await sql`update operator_token set suspended_at = null`.execute(store.db);
      await sql`update enrolment_token set suspended_at = null`.execute(store.db);
      const unmarked = await dump(store);
      expect(unmarked["operator_token"]).toEqual(before["operator_token"]);
      expect(unmarked["enrolment_token"]).toEqual(before["enrolment_token"]);
      const heads = await sql`select name, head_revision, paused from channel order by 1`.execute(
        store.db,
      );
      expect(heads.rows).toEqual([
        { name: "edge", head_revision: 0n, paused: true },
        { name: "prod", head_revision: 9007199254740991n, paused: true },
      ]);
      const strays = await sql`select from device_event_other`.execute(store.db);
      expect(strays.rows).toEqual([]);
      expect(await imported(store, file)).toEqual({ kind: "not-empty" });
      expect((await dump(store))["device"]).toEqual(before["device"]);
    });
  });

  test("that is cut, changed or goes on is refused, and leaves the database empty", async () => {
    const bytes = readFileSync(file);
    const changed = Buffer.from(bytes);
    changed[bytes.indexOf("odd")] = 97;
    const damaged = {
      cut: bytes.subarray(0, bytes.length - 200),
      "cut-in-a-line": bytes.subarray(0, bytes.length - 1),
      half: bytes.subarray(0, bytes.length / 2),
      changed,
      longer: Buffer.concat([bytes, Buffer.from('["x"]\n')]),
      empty: Buffer.alloc(0),
      other: Buffer.from('{"format":"else"}\n'),
    };
    for (const [name, content] of Object.entries(damaged)) {
      writeFileSync(at(name), content);
      await expect(checkExport(at(name)), name).rejects.toThrow(ExportDamaged);
    }
    // One that changes after it was checked is found out before the commit.
    const header = await checkExport(file);
    await withStore(openEmptyStore(kind), async (store) => {
      for (const name of ["cut", "changed"]) {
        const options = { file: at(name), header, onTable: () => undefined };
        await expect(importDatabase(store, options)).rejects.toThrow(ExportDamaged);
        expect(await findTables(store.db)).toEqual([]);
      }
    });
  });
});

test("an export of a later version is refused, and the remedy named", async () => {
  await withStore(openTestStore("postgresql"), async (store) => {
    const file = await exported(store, "later");
    const header = await checkExport(file);
    const migrations = [...header.migrations, "9999-of-tomorrow"];
    await withStore(openEmptyStore("postgresql"), async (empty) => {
      const options = { file, header: { ...header, migrations }, onTable: () => undefined };
      const failed = importDatabase(empty, options);
      await expect(failed).rejects.toThrow(SchemaTooNew);
      await expect(failed).rejects.toThrow(
        "the export has migrations that this version does not know (9999-of-tomorrow)",
      );
      expect(await findTables(empty.db)).toEqual([]);
    });
  });
});

test("an export of an earlier version is brought into today's schema", async () => {
  const file = await withStore(openEmptyStore("postgresql"), async (old) => {
    await old.db
      .transaction()
      .execute((transaction) => migrateWithin(transaction, ["0001-first-tables"]));
    await sql`insert into channel (name, threshold, head_revision) values ('prod', 1, 3)`.execute(
      old.db,
    );
    await sql`insert into release (channel, revision, published_by) values ('prod', 3, 'ci')`.execute(
      old.db,
    );
    return await exported(old, "earlier");
  });
  await withStore(openEmptyStore("postgresql"), async (store) => {
    expect(await imported(store, file)).toMatchObject({ kind: "imported", rows: 2 });
    const rollouts = await sql`select channel, revision, state from rollout`.execute(store.db);
    expect(rollouts.rows).toEqual([{ channel: "prod", revision: 3n, state: "running" }]);
    expect(await migrate(store.db)).toEqual([]);
  });
});

test("nothing is exported of an empty database, and no file is left", async () => {
  await withStore(openEmptyStore("postgresql"), async (store) => {
    const options = { file: at("nothing"), version: "0.1.0", now: NOW };
    expect(await exportDatabase(store, options)).toBeUndefined();
    expect(readdirSync(folder).filter((name) => name.startsWith("nothing"))).toEqual([]);
  });
});

test("a snapshot is of one moment, whatever is written meanwhile", async () => {
  await withStore(openTestStore("postgresql"), async (store) => {
    await fillEveryTable(store.db);
    let writing = true;
    const writer = (async () => {
      for (let n = 0; writing; n += 1) {
        await store.db.transaction().execute(async (db) => {
          await sql`insert into forgotten_device values (${`f-${n}`}, 1)`.execute(db);
          await sql`insert into channel (name, threshold) values (${`c-${n}`}, 1)`.execute(db);
        });
      }
    })();
    const files: string[] = [];
    for (let round = 0; round < 5; round += 1) files.push(await exported(store, `moving-${round}`));
    writing = false;
    await writer;
    for (const file of files) {
      const text = readFileSync(file, "utf8");
      const count = (form: RegExp) => [...text.matchAll(form)].length;
      expect(count(/^\["f-/gm)).toBe(count(/^\["c-/gm));
    }
    expect(files.length).toBe(5);
  });
});

test("marking voids sessions, and what was revoked or marked before stays as it was", async () => {
  await withStore(openTestStore("postgresql"), async (store) => {
    await fillEveryTable(store.db);
    const salt = async () =>
      (
        await sql<{ salt: string }>`select session_salt::text as salt from installation`.execute(
          store.db,
        )
      ).rows[0]?.salt;
    const first = await salt();
    const mark = () => store.db.transaction().execute((db) => markRestored(db, "Restored"));
    expect(await mark()).toMatchObject({ suspendedTokens: 1, pausedChannels: ["edge", "prod"] });
    const second = await salt();
    expect(await mark()).toMatchObject({ suspendedTokens: 0, pausedChannels: [] });
    expect(new Set([first, second, await salt()]).size).toBe(3);
    const old = await sql`select suspended_at from operator_token where name = 'old'`.execute(
      store.db,
    );
    expect(old.rows).toEqual([{ suspended_at: null }]);
  });
});
