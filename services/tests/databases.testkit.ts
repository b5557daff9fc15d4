import { randomBytes } from "node:crypto";

import { PGlite } from "@electric-sql/pglite";
import { Kysely, PGliteDialect } from "kysely";
import postgres from "postgres";
import { inject } from "vitest";

import type { Database } from "../src/db/database.ts";
import { migrate } from "../src/db/migrate.ts";
import { ensureEventPartitions } from "../src/db/partitions.ts";
import { openPostgresql } from "../src/db/postgresql.ts";
import { INT8_OID, type Store } from "../src/db/store.ts";

/** What is promised holds on both. */
export const DATABASES = ["embedded", "postgresql"] as const;
export type DatabaseKind = (typeof DATABASES)[number];

/** URL of a database that nobody else has. */
export async function createPostgresDatabase(): Promise<string> {
  const url = new URL(inject("postgresUrl"));
  const name = `test_${randomBytes(8).toString("hex")}`;
  const admin = postgres(url.href, { max: 1 });
  try {
    await admin.unsafe(`create database ${name}`);
  } finally {
    await admin.end();
  }
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
  const store = await openEmptyStore(kind);
  await migrate(store.db);
  await ensureEventPartitions(store.db);
  return store;
}

/** An open database without any table. */
export async function openEmptyStore(kind: DatabaseKind): Promise<Store> {
  return kind === "postgresql"
    ? openPostgresql(await createPostgresDatabase(), () => undefined)
    : await openInMemory();
}

/** The embedded database without a disk: a second instead of five. */
async function openInMemory(): Promise<Store> {
  const pglite = await PGlite.create({ parsers: { [INT8_OID]: BigInt } });
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
