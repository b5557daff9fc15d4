import { sql } from "kysely";

import { TABLES, type Db } from "../db/database.ts";
import { allowTime } from "../db/statement-time.ts";

/** A table and its columns with their types, as the database has them. */
export interface StoredTable {
  readonly name: string;
  readonly columns: readonly {
    readonly name: string;
    readonly type: string;
    /** Whether a sequence of its own gives its values. */
    readonly identity: boolean;
  }[];
}

/**
 * What a whole database is read or written with: one session whose times are
 * text of one form, and that nothing ends for being slow.
 */
export async function beginWholesale(db: Db): Promise<void> {
  await sql`select set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO, YMD', true),
    set_config('idle_in_transaction_session_timeout', '0', true)`.execute(db);
  await allowTime(db, 0);
}

/** Every table of ours that is there; those that others refer to come first. */
export async function findTables(db: Db): Promise<readonly StoredTable[]> {
  const columns = await sql<{
    table: string;
    name: string;
    type: string;
    identity: boolean;
  }>`
    select c.relname as table, a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
           a.attidentity <> '' as identity
      from jsonb_array_elements_text(${JSON.stringify(Object.keys(TABLES))}::text::jsonb) as ours(name)
      join pg_class c on c.oid = to_regclass(ours.name)
      join pg_attribute a on a.attrelid = c.oid
     where a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
     order by c.relname, a.attnum`.execute(db);
  const references = await sql<{ from: string; to: string }>`
    select f.relname as from, t.relname as to
      from pg_constraint k join pg_class f on f.oid = k.conrelid join pg_class t on t.oid = k.confrelid
     where k.contype = 'f' and k.conparentid = 0 and f.oid <> t.oid`.execute(db);
  const byTable = Map.groupBy(columns.rows, ({ table }) => table);
  return inOrder([...byTable.keys()], references.rows).map((name) => ({
    name,
    columns: (byTable.get(name) ?? []).map(({ name, type, identity }) => ({
      name,
      type,
      identity,
    })),
  }));
}

/** Names in an order in which each comes after those that it refers to. */
function inOrder(
  names: readonly string[],
  references: readonly { readonly from: string; readonly to: string }[],
): readonly string[] {
  const ordered = new Set<string>();
  const add = (name: string) => {
    if (ordered.has(name) || !names.includes(name)) return;
    for (const { from, to } of references) if (from === name) add(to);
    ordered.add(name);
  };
  for (const name of names) add(name);
  return [...ordered];
}

/** Rows of one fetch: of most tables some 100 KiB, of listings at most 8 MiB. */
const FETCH_ROWS = { listing: 2, others: 100 };

/**
 * Every row of a table as a JSON array of text: int8 and numeric keep all their
 * digits, times their microseconds, bytea is base64. A part at a time, so that no
 * table has to fit into memory. Give a transaction.
 */
export async function* readRows(db: Db, table: StoredTable): AsyncIterable<readonly string[]> {
  const values = table.columns.map(({ name, type }) =>
    type === "bytea"
      ? sql`translate(encode(${sql.ref(name)}, 'base64'), e'\n', '')`
      : sql`${sql.ref(name)}::text`,
  );
  await sql`declare exported no scroll cursor for
    select json_build_array(${sql.join(values)})::text as line from ${sql.table(table.name)}`.execute(
    db,
  );
  const count = table.name === "listing" ? FETCH_ROWS.listing : FETCH_ROWS.others;
  for (;;) {
    const { rows } = await sql<{ line: string }>`fetch ${sql.lit(count)} from exported`.execute(db);
    if (rows.length === 0) break;
    yield rows.map(({ line }) => line);
  }
  await sql`close exported`.execute(db);
}

/** Writes rows that were read so; `columns` names the values in their order. */
export async function writeRows(
  db: Db,
  table: StoredTable,
  columns: readonly string[],
  lines: readonly string[],
): Promise<void> {
  const values = columns.map((name, place) => {
    const type = table.columns.find((column) => column.name === name)?.type ?? "text";
    const text = sql`(r->>${sql.lit(place)})`;
    return type === "bytea" ? sql`decode(${text}, 'base64')` : sql`${text}::${sql.raw(type)}`;
  });
  await sql`
    insert into ${sql.table(table.name)} (${sql.join(columns.map((name) => sql.ref(name)))})
    overriding system value
    select ${sql.join(values)}
      from jsonb_array_elements(${`[${lines.join(",")}]`}::text::jsonb) as r`.execute(db);
}

/** Lets sequences go on behind the highest value that was written. */
export async function moveSequences(db: Db, table: StoredTable): Promise<void> {
  for (const { name, identity } of table.columns) {
    if (!identity) continue;
    const sequence = sql`pg_get_serial_sequence(${table.name}, ${name})`;
    await sql`
      select setval(${sequence}, coalesce(max(${sql.ref(name)}), 1), max(${sql.ref(name)}) is not null)
        from ${sql.table(table.name)}`.execute(db);
  }
}

/** Keeps other imports and starting servers from an empty database, until the transaction ends. */
export async function lockImport(db: Db): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('nix_ota_import'))`.execute(db);
}

/** What migrations put into an empty database, and an export brings with it. */
export async function clearTable(db: Db, table: StoredTable): Promise<void> {
  await sql`delete from ${sql.table(table.name)}`.execute(db);
}
