import { appliedMigrations } from "../db/migrate.ts";
import type { Store } from "../db/store.ts";
import { writeExport, FORMAT } from "./export-file.ts";
import { beginWholesale, findTables, readRows } from "./table-queries.ts";

/**
 * Writes the whole database into one file, as it was at one moment. Servers may
 * go on meanwhile where the database lets them.
 *
 * @returns How many rows it has; undefined: there is nothing to export.
 * @throws {SchemaTooNew}
 */
export async function exportDatabase(
  { db }: Store,
  options: { readonly file: string; readonly version: string; readonly now: Date },
): Promise<number | undefined> {
  return await db
    .transaction()
    .setIsolationLevel("repeatable read")
    .execute(async (snapshot) => {
      await beginWholesale(snapshot);
      const migrations = await appliedMigrations(snapshot);
      if (migrations.length === 0) return undefined;
      const exportedAt = options.now.toISOString();
      const header = { format: FORMAT, version: options.version, exportedAt, migrations } as const;
      return await writeExport(options.file, header, async (put) => {
        for (const table of await findTables(snapshot)) {
          await put.table({ table: table.name, columns: table.columns.map(({ name }) => name) });
          for await (const lines of readRows(snapshot, table)) {
            for (const line of lines) await put.row(line);
          }
        }
      });
    });
}
