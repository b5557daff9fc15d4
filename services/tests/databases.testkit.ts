import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, openAsBlob } from "node:fs";
import { join } from "node:path";

import { PGlite } from "@electric-sql/pglite";
import { Kysely, PGliteDialect, sql } from "kysely";
import postgres from "postgres";
import { inject } from "vitest";

import type { Database } from "../src/db/database.ts";
import { openPostgresql } from "../src/db/postgresql.ts";
import { INT8_OID, type Store } from "../src/db/store.ts";

/** What is promised holds on both. */
export const DATABASES = ["embedded", "postgresql"] as const;
export type DatabaseKind = (typeof DATABASES)[number];

/** Without any table, or with those of this version. */
type Content = "empty" | "migrated";

/** URL of a database that nobody else has. */
export async function createPostgresDatabase(content: Content = "empty"): Promise<string> {
  const name = `test_${randomBytes(8).toString("hex")}`;
  const template = content === "migrated" ? inject("templates").postgresql : undefined;
  return await createDatabase(inject("postgresUrl"), name, template);
}

/**
 * URL of a database that is made by this.
 *
 * @param template The name of one to copy, which nobody is connected to; absent: it is empty.
 */
export async function createDatabase(
  postgresUrl: string,
  name: string,
  template = "template1",
): Promise<string> {
  const admin = postgres(postgresUrl, { max: 1 });
  try {
    await admin.unsafe(`create database ${name} template ${template}`);
  } finally {
    await admin.end();
  }
  const url = new URL(postgresUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Takes a database away from all who use it. */
export async function dropPostgresDatabase(url: string): Promise<void> {
  const admin = postgres(inject("postgresUrl"), { max: 1 });
  try {
    await admin.unsafe(`drop database ${new URL(url).pathname.slice(1)} with (force)`);
  } finally {
    await admin.end();
  }
}

/** An open, migrated database that nobody else has. */
export async function openTestStore(kind: DatabaseKind): Promise<Store> {
  const store = await openStore(kind, "migrated");
  // The copy of a database would take the device sessions of the others.
  await sql`
    update installation set session_salt = sha256(gen_random_uuid()::text::bytea)`.execute(
    store.db,
  );
  return store;
}

/** An open database without any table. */
export async function openEmptyStore(kind: DatabaseKind): Promise<Store> {
  return await openStore(kind, "empty");
}

async function openStore(kind: DatabaseKind, content: Content): Promise<Store> {
  return kind === "postgresql"
    ? openPostgresql(await createPostgresDatabase(content), () => undefined)
    : await openInMemory(content);
}

/** Makes a data directory whose embedded database is migrated. */
export function makeDataDir(dataDir: string): void {
  const folder = join(dataDir, "postgres");
  mkdirSync(folder, { recursive: true });
  const { status, stderr } = spawnSync(
    "tar",
    ["-xf", inject("templates").embedded.migrated, "-C", folder, "--no-same-owner"],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(stderr);
}

/** The embedded database without a disk. */
async function openInMemory(content: Content): Promise<Store> {
  const pglite = await PGlite.create({
    loadDataDir: await openAsBlob(inject("templates").embedded[content]),
    parsers: { [INT8_OID]: BigInt },
  });
  const db = new Kysely<Database>({ dialect: new PGliteDialect({ pglite }) });
  return {
    db,
    kind: "embedded",
    durable: false,
    listen: (notification, heard) => pglite.listen(notification, heard),
    async maintain() {
      await pglite.exec("checkpoint");
    },
    close: () => db.destroy(),
  };
}
