import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";

import { DataDirInUse, lockDataDir } from "../src/db/data-dir-lock.ts";
import { openEmbedded } from "../src/db/embedded.ts";
import { migrate, SchemaTooNew } from "../src/db/migrate.ts";
import { MIGRATIONS } from "../src/db/migrations/all.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nix-ota-embedded-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A process that takes the lock and says so; it ends by a signal or by its input's end. */
async function holder(dir: string): Promise<ChildProcess> {
  const module = new URL("../src/db/data-dir-lock.ts", import.meta.url).href;
  const program = `
    const { lockDataDir } = await import(${JSON.stringify(module)});
    try { await lockDataDir(process.argv[1]); console.log("held"); process.stdin.resume(); }
    catch (error) { console.log(error.name); process.exit(0); }
    process.stdin.on("end", () => process.exit(0));`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program, dir], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [said] = await once(child.stdout, "data");
  return Object.assign(child, { said: said.toString("utf8").trim() });
}

const said = (child: ChildProcess) => (child as ChildProcess & { said: string }).said;

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill(signal);
  await once(child, "exit");
}

test("a second process is told who has the directory, a killed one leaves it free", async () => {
  const first = await holder(folder);
  expect(said(first)).toBe("held");
  await expect(lockDataDir(folder)).rejects.toThrow(
    `is in use by process ${first.pid}; stop it, give this server another --data-dir`,
  );
  await end(first, "SIGKILL");
  const lock = await lockDataDir(folder);
  await expect(lockDataDir(folder)).rejects.toThrow(DataDirInUse);
  await lock.release();
  await (await lockDataDir(folder)).release();
  // One file stays, however often the directory changed hands.
  expect(readdirSync(folder)).toEqual(["lock.3"]);
});

test("a path that is too long for a socket's name can be held all the same", async () => {
  const deep = join(folder, "x".repeat(120), "y".repeat(120));
  mkdirSync(deep, { recursive: true });
  const first = await holder(deep);
  expect(said(first)).toBe("held");
  await expect(lockDataDir(deep)).rejects.toThrow(`is in use by process ${first.pid};`);
  await end(first, "SIGKILL");
  await (await lockDataDir(deep)).release();
  expect(readdirSync(deep)).toEqual(["lock.2"]);
});

test("of many that find the holder killed, one gets the directory", async () => {
  for (let round = 0; round < 3; round += 1) {
    const dir = join(folder, `${round}`);
    mkdirSync(dir);
    await end(await holder(dir), "SIGKILL");
    const contenders = await Promise.all([1, 2, 3, 4].map(() => holder(dir)));
    try {
      expect(contenders.map(said).toSorted()).toEqual([
        "DataDirInUse",
        "DataDirInUse",
        "DataDirInUse",
        "held",
      ]);
    } finally {
      for (const child of contenders) await end(child, "SIGKILL");
    }
  }
});

test("every commit reaches the disk, the log of changes stays small, a later schema is refused", async () => {
  const store = await openEmbedded(folder);
  try {
    expect(store.durable).toBe(true);
    expect(await migrate(store.db)).toEqual(Object.keys(MIGRATIONS));
    expect(await migrate(store.db)).toEqual([]);
    const settings = await sql<{ name: string; setting: string }>`
      select name, setting from pg_settings
       where name in ('fsync', 'full_page_writes', 'synchronous_commit', 'wal_sync_method')
       order by name`.execute(store.db);
    expect(Object.fromEntries(settings.rows.map((row) => [row.name, row.setting]))).toEqual({
      fsync: "on",
      full_page_writes: "on",
      synchronous_commit: "on",
      wal_sync_method: "fsync",
    });

    await sql`create table filler (bytes text)`.execute(store.db);
    const segments = () =>
      readdirSync(join(folder, "postgres", "pg_wal")).filter((name) => /^[0-9A-F]{24}$/.test(name))
        .length;
    const counts: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      await sql`insert into filler select repeat('x', 500) from generate_series(1, 40000)`.execute(
        store.db,
      );
      await sql`truncate filler`.execute(store.db);
      await store.maintain();
      counts.push(segments());
    }
    expect(counts[2]).toBeLessThanOrEqual((counts[0] ?? 0) + 1);

    await sql`insert into schema_migration values ('9999-from-the-future', now()::text)`.execute(
      store.db,
    );
    await expect(migrate(store.db)).rejects.toThrow(SchemaTooNew);
    await expect(migrate(store.db)).rejects.toThrow(/9999-from-the-future/);
  } finally {
    await store.close();
  }
});

test("a power cut while the cluster is made leaves nothing that is taken for one", async () => {
  mkdirSync(join(folder, "postgres"));
  writeFileSync(join(folder, "postgres", "PG_VERSION"), "18\n");
  writeFileSync(join(folder, "postgres.unfinished"), "");
  const store = await openEmbedded(folder);
  expect(await migrate(store.db)).toEqual(Object.keys(MIGRATIONS));
  await store.close();
  expect(readdirSync(folder).toSorted()).toEqual(["lock.1", "postgres"]);
});

test("a folder with somebody else's files is left alone", async () => {
  mkdirSync(join(folder, "postgres"));
  writeFileSync(join(folder, "postgres", "letter.txt"), "dear");
  await expect(openEmbedded(folder)).rejects.toThrow(/is not empty and no database/);
  expect(readdirSync(join(folder, "postgres"))).toEqual(["letter.txt"]);
  // The lock is free again.
  await (await lockDataDir(folder)).release();
});
