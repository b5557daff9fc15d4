import { sql } from "kysely";
import type { Kysely } from "kysely";
import { Migrator } from "kysely/migration";

import { OtaError } from "../ota-error.ts";
import type { Database } from "./database.ts";
import { MIGRATIONS } from "./migrations/all.ts";

const MIGRATION_TABLE = "schema_migration";

/**
 * Brings the schema to what this program needs. Processes that start together
 * take turns (an advisory lock on PostgreSQL); one transaction, so a failure
 * leaves the schema as it was.
 *
 * @returns Names of the migrations that ran.
 * @throws {SchemaTooNew} when a later version of the program was here.
 */
export async function migrate(db: Kysely<Database>): Promise<readonly string[]> {
  await refuseNewerSchema(db);
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => ({ ...MIGRATIONS }) },
    migrationTableName: MIGRATION_TABLE,
    migrationLockTableName: `${MIGRATION_TABLE}_lock`,
  });
  const { error, results } = await migrator.migrateToLatest();
  if (error !== undefined) {
    // A newer program may have come in between the look and the lock.
    await refuseNewerSchema(db);
    throw new OtaError("INTERNAL", "the database could not be migrated", { cause: error });
  }
  return (results ?? []).map(({ migrationName }) => migrationName);
}

/** The database's schema is that of a later version of the program. */
export class SchemaTooNew extends Error {
  override readonly name = "SchemaTooNew";

  constructor(unknown: readonly string[]) {
    super(
      `the database has migrations that this version does not know (${unknown.join(", ")}); ` +
        "run the version that made them or a later one",
    );
  }
}

async function refuseNewerSchema(db: Kysely<Database>): Promise<void> {
  const table = await sql<{ found: boolean }>`
    select to_regclass(${MIGRATION_TABLE}) is not null as found`.execute(db);
  if (table.rows[0]?.found !== true) return;
  const applied = await sql<{ name: string }>`
    select name from ${sql.table(MIGRATION_TABLE)} order by name`.execute(db);
  const unknown = applied.rows.map(({ name }) => name).filter((name) => !(name in MIGRATIONS));
  if (unknown.length > 0) throw new SchemaTooNew(unknown);
}
