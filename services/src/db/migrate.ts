import { sql } from "kysely";
import type { Kysely, Transaction } from "kysely";
import { type Migration, Migrator } from "kysely/migration";

import { OtaError } from "../ota-error.ts";
import type { Database, Db } from "./database.ts";
import { MIGRATIONS } from "./migrations/all.ts";
import { allowTime } from "./statement-time.ts";

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
  // Most starts find nothing to do, and to ask only that is quicker than to take turns.
  const applied = await appliedMigrations(db);
  if (applied.length === Object.keys(MIGRATIONS).length) return [];
  const { error, results } = await migrator(db).migrateToLatest();
  if (error !== undefined) {
    // A newer program may have come in between the look and the lock.
    await appliedMigrations(db);
    throw new OtaError("INTERNAL", "the database could not be migrated", { cause: error });
  }
  return (results ?? []).map(({ migrationName }) => migrationName);
}

/**
 * The same within a transaction, which fails with it.
 *
 * @param upTo The migrations to stop at, of which some may have run; absent: all.
 * @throws {SchemaTooNew} when one of them belongs to a later version.
 */
export async function migrateWithin(
  transaction: Transaction<Database>,
  upTo?: readonly string[],
): Promise<void> {
  refuseUnknown("the export", upTo ?? []);
  const last = upTo?.at(-1);
  const { error } = await (last === undefined
    ? migrator(transaction).migrateToLatest()
    : migrator(transaction).migrateTo(last));
  if (error !== undefined) {
    throw new OtaError("INTERNAL", "the database could not be migrated", { cause: error });
  }
}

/**
 * The migrations that the database has behind it, in order; none for an empty one.
 *
 * @throws {SchemaTooNew} when one of them belongs to a later version.
 */
export async function appliedMigrations(db: Db): Promise<readonly string[]> {
  const table = await sql<{ found: boolean }>`
    select to_regclass(${MIGRATION_TABLE}) is not null as found`.execute(db);
  if (table.rows[0]?.found !== true) return [];
  const applied = await sql<{ name: string }>`
    select name from ${sql.table(MIGRATION_TABLE)} order by name`.execute(db);
  const names = applied.rows.map(({ name }) => name);
  refuseUnknown("the database", names);
  return names;
}

/** The schema is that of a later version of the program. */
export class SchemaTooNew extends Error {
  override readonly name = "SchemaTooNew";

  constructor(what: "the database" | "the export", unknown: readonly string[]) {
    super(
      `${what} has migrations that this version does not know (${unknown.join(", ")}); ` +
        "run the version that made them or a later one",
    );
  }
}

function refuseUnknown(what: "the database" | "the export", names: readonly string[]): void {
  const unknown = names.filter((name) => !(name in MIGRATIONS));
  if (unknown.length > 0) throw new SchemaTooNew(what, unknown);
}

function migrator(db: Db): Migrator {
  return new Migrator({
    db,
    provider: { getMigrations: async () => unhurried(MIGRATIONS) },
    migrationTableName: MIGRATION_TABLE,
    migrationLockTableName: `${MIGRATION_TABLE}_lock`,
  });
}

/** A table of years takes longer to change than a call may. */
function unhurried(migrations: Readonly<Record<string, Migration>>): Record<string, Migration> {
  return Object.fromEntries(
    Object.entries(migrations).map(([name, migration]) => [
      name,
      {
        async up(db) {
          await allowTime(db, 0);
          await migration.up(db);
        },
      },
    ]),
  );
}
