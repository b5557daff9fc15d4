import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { PGlite } from "@electric-sql/pglite";
import { Kysely, PGliteDialect } from "kysely";

import { fsyncPath, fsyncTree } from "../fsync-path.ts";
import { lockDataDir } from "./data-dir-lock.ts";
import type { Database } from "./database.ts";
import { DurableFiles } from "./durable-files.ts";
import { INT8_OID, type Store } from "./store.ts";

/** PostgreSQL's own number of the int8 type; see `INT8_OID`. */
const PARSERS = { [INT8_OID]: BigInt };

// Small memory: one session, and a fleet that fits on one machine.
const SETTINGS = [
  "wal_sync_method=fsync",
  "shared_buffers=8MB",
  "wal_buffers=1MB",
  "max_connections=5",
];

/**
 * The embedded database in `<data dir>/postgres`, made when it is not there.
 * One process at a time; every commit is on the disk before it returns.
 *
 * @throws {DataDirInUse} when another process has it.
 */
export async function openEmbedded(dataDir: string): Promise<Store> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const lock = await lockDataDir(dataDir);
  try {
    const pglite = await openCluster(dataDir);
    const db = new Kysely<Database>({ dialect: new PGliteDialect({ pglite }) });
    return {
      db,
      kind: "embedded",
      durable: await commitsReachDisk(pglite),
      async listen(notification, heard) {
        return await pglite.listen(notification, heard);
      },
      // No process beside this one does it, and without it the log of changes
      // grows for ever.
      async maintain() {
        await pglite.exec("vacuum (analyze, skip_locked)");
        await pglite.exec("checkpoint");
      },
      async close() {
        await db.destroy();
        await lock.release();
      },
    };
  } catch (cause) {
    await lock.release();
    throw cause;
  }
}

/** PGlite whose file system counts what it made durable. */
type DurablePGlite = PGlite & { readonly files: DurableFiles };

async function openCluster(dataDir: string): Promise<DurablePGlite> {
  const folder = join(dataDir, "postgres");
  const unfinished = join(dataDir, "postgres.unfinished");
  if (existsSync(unfinished)) {
    // A power cut while the cluster was made; nothing was ever acknowledged from it.
    rmSync(folder, { recursive: true, force: true });
  }
  if (existsSync(join(folder, "PG_VERSION"))) return await startCluster(folder);

  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new Error(
      `${folder} is not empty and no database; move it away or give another --data-dir`,
    );
  }
  writeFileSync(unfinished, "");
  fsyncPath(dataDir);
  const pglite = await startCluster(folder);
  // The first files are written by a program that is told not to sync.
  fsyncTree(folder);
  rmSync(unfinished);
  fsyncPath(dataDir);
  return pglite;
}

async function startCluster(folder: string): Promise<DurablePGlite> {
  const files = new DurableFiles(folder);
  const pglite = await PGlite.create({
    fs: files,
    parsers: PARSERS,
    // The library's defaults carry -F, which is fsync=off.
    startParams: [
      ...PGlite.defaultStartParams.filter((parameter) => parameter !== "-F"),
      ...SETTINGS.flatMap((setting) => ["-c", setting]),
    ],
  });
  return Object.assign(pglite, { files });
}

/** Commits once and sees whether the disk was asked. */
async function commitsReachDisk(pglite: DurablePGlite): Promise<boolean> {
  const before = pglite.files.fsyncCount;
  await pglite.query("select pg_logical_emit_message(true, 'nix-ota', 'opened')");
  return pglite.files.fsyncCount > before;
}
