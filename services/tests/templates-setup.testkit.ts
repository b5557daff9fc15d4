import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { PGlite } from "@electric-sql/pglite";
import { Kysely, PGliteDialect } from "kysely";
import type { TestProject } from "vitest/node";

import type { Database } from "../src/db/database.ts";
import { migrate } from "../src/db/migrate.ts";
import { ensureEventPartitions } from "../src/db/partitions.ts";
import { openPostgresql } from "../src/db/postgresql.ts";
import { createDatabase } from "./databases.testkit.ts";

/** What each test's database is a copy of. */
export interface Templates {
  /** An archive of an embedded database's folder, before and after the migrations. */
  readonly embedded: { readonly empty: string; readonly migrated: string };
  /** The name of a migrated database in the cluster of tests. */
  readonly postgresql: string;
}

declare module "vitest" {
  export interface ProvidedContext {
    templates: Templates;
  }
}

/**
 * Makes both databases once for a run: to make an embedded one takes four seconds of a processor,
 * and to copy it half a second. Comes after the set-up that starts PostgreSQL.
 */
export async function setup(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), "nix-ota-templates-"));
  const { postgresUrl } = project.getProvidedContext();
  // One after the other: the embedded one keeps this process busy, and PostgreSQL's answers would
  // seem to be late.
  const postgresql = await makePostgresql(postgresUrl);
  const embedded = await makeEmbedded(folder);
  project.provide("templates", { embedded, postgresql });
  return () => rmSync(folder, { recursive: true });
}

async function makeEmbedded(folder: string): Promise<Templates["embedded"]> {
  const pglite = await PGlite.create();
  const db = new Kysely<Database>({ dialect: new PGliteDialect({ pglite }) });
  const archive = async (name: string) => {
    const file = join(folder, name);
    writeFileSync(file, await (await pglite.dumpDataDir("none")).bytes());
    return file;
  };
  const empty = await archive("empty.tar");
  await prepare(db);
  const migrated = await archive("migrated.tar");
  await db.destroy();
  return { empty, migrated };
}

async function makePostgresql(postgresUrl: string): Promise<string> {
  const name = "migrated";
  const { db, close } = openPostgresql(await createDatabase(postgresUrl, name), () => undefined);
  await prepare(db);
  // PostgreSQL copies no database that somebody is connected to.
  await close();
  return name;
}

async function prepare(db: Kysely<Database>): Promise<void> {
  await migrate(db);
  await ensureEventPartitions(db);
}
