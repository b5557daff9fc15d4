import type { Db } from "../db/database.ts";
import { appliedMigrations, migrateWithin } from "../db/migrate.ts";
import { ensurePartitionsOfEvents } from "../db/partitions.ts";
import type { Restored } from "../db/restored.ts";
import type { Store } from "../db/store.ts";
import { ExportDamaged, readExport, type ExportHeader } from "./export-file.ts";
import { markRestored } from "./mark-restored.ts";
import {
  beginWholesale,
  clearTable,
  findTables,
  lockImport,
  moveSequences,
  writeRows,
  type StoredTable,
} from "./table-queries.ts";

/** Rows of one statement, and their bytes. */
const BATCH = { rows: 500, bytes: 1024 * 1024 };

/** What became of an import. */
export type Imported =
  | { readonly kind: "imported"; readonly rows: number; readonly restored: Restored }
  /** It holds something, which an import would mix with. */
  | { readonly kind: "not-empty" };

/**
 * Reads a whole file before anything is begun with it.
 *
 * @throws {ExportDamaged}
 */
export async function checkExport(file: string): Promise<ExportHeader> {
  let header: ExportHeader | undefined;
  for await (const line of readExport(file)) if (line.kind === "header") ({ header } = line);
  if (header === undefined) throw new ExportDamaged(`${file} is empty`);
  return header;
}

/**
 * Fills an empty database from an export and marks it as restored, all in one
 * transaction: whatever happens, it is empty or whole. An export of an earlier
 * version goes into the schema that it was made with, which is migrated then.
 *
 * @throws {ExportDamaged} also when the file changed since it was checked;
 * {SchemaTooNew} for the export of a later version.
 */
export async function importDatabase(
  { db }: Store,
  options: {
    readonly file: string;
    readonly header: ExportHeader;
    /** Hears of each table before its rows. */
    readonly onTable: (name: string) => void;
  },
): Promise<Imported> {
  return await db.transaction().execute(async (transaction): Promise<Imported> => {
    await beginWholesale(transaction);
    await lockImport(transaction);
    const isEmpty = (await appliedMigrations(transaction)).length === 0;
    if (!isEmpty || (await findTables(transaction)).length > 0) return { kind: "not-empty" };
    await migrateWithin(transaction, options.header.migrations);
    const rows = await fill(transaction, options);
    await migrateWithin(transaction);
    await ensurePartitionsOfEvents(transaction);
    return { kind: "imported", rows, restored: await markRestored(transaction, "Import") };
  });
}

async function fill(
  db: Db,
  { file, onTable }: { readonly file: string; readonly onTable: (name: string) => void },
): Promise<number> {
  const tables = new Map((await findTables(db)).map((table) => [table.name, table]));
  for (const table of [...tables.values()].toReversed())
    if (table.name !== "audit") await clearTable(db, table);
  let into: { readonly table: StoredTable; readonly columns: readonly string[] } | undefined;
  let lines: string[] = [];
  let bytes = 0;
  let rows = 0;
  const write = async () => {
    if (lines.length === 0) return;
    if (into === undefined) throw new ExportDamaged(`${file} has rows before the first table`);
    await writeRows(db, into.table, into.columns, lines);
    rows += lines.length;
    [lines, bytes] = [[], 0];
  };
  for await (const line of readExport(file)) {
    if (line.kind === "header") continue;
    if (line.kind === "table") {
      await write();
      const table = tables.get(line.table.table);
      const known = new Set(table?.columns.map(({ name }) => name));
      if (table === undefined || line.table.columns.some((name) => !known.has(name))) {
        throw new ExportDamaged(`${file} has a table or column that its schema has not`);
      }
      onTable(table.name);
      into = { table, columns: line.table.columns };
      continue;
    }
    lines.push(line.line);
    bytes += line.line.length;
    if (lines.length >= BATCH.rows || bytes >= BATCH.bytes) await write();
  }
  await write();
  for (const table of tables.values()) await moveSequences(db, table);
  return rows;
}
