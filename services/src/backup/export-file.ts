import { createHash, randomBytes, type Hash } from "node:crypto";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";

import { fsyncPath } from "../fsync-path.ts";

/** First line of an export. */
export interface ExportHeader {
  readonly format: typeof FORMAT;
  /** Version of the program that made it. */
  readonly version: string;
  /** ISO 8601. */
  readonly exportedAt: string;
  /** The schema: names of the migrations that it has behind it, in order. */
  readonly migrations: readonly string[];
}

export const FORMAT = "nix-ota export 1";

/** Line before the rows of a table. */
export interface ExportTable {
  readonly table: string;
  readonly columns: readonly string[];
}

/** Last line: without it the file is cut. */
interface ExportEnd {
  readonly end: true;
  readonly rows: number;
  /** Hexadecimal, of every byte before this line. It tells damage, not malice. */
  readonly sha256: string;
}

/** What a file says besides its rows. A row is its line as it stands: a JSON array of text and nulls. */
export type ExportLine =
  | { readonly kind: "header"; readonly header: ExportHeader }
  | { readonly kind: "table"; readonly table: ExportTable }
  | { readonly kind: "row"; readonly line: string };

/** The file is no export, or not a whole one; the sentence says which. */
export class ExportDamaged extends Error {
  override readonly name = "ExportDamaged";
}

const BUFFER_BYTES = 1024 * 1024;
/** A listing of 4 MiB in base64, and what stands around it. */
const MOST_LINE_BYTES = 8 * 1024 * 1024;

/**
 * Writes an export: for its owner alone, whole and on the disk when this
 * resolves. Until then, and when it fails, the file that was there stays.
 *
 * @returns How many rows it has.
 */
export async function writeExport(
  file: string,
  header: ExportHeader,
  write: (put: Put) => Promise<void>,
): Promise<number> {
  const draft = `${file}.${randomBytes(8).toString("hex")}`;
  const handle = await open(draft, "wx", 0o600);
  try {
    const lines = new LineWriter(handle);
    await lines.put(JSON.stringify(header));
    let rows = 0;
    await write({
      table: (table) => lines.put(JSON.stringify(table)),
      row: async (line) => {
        rows += 1;
        await lines.put(line);
      },
    });
    const end: ExportEnd = { end: true, rows, sha256: lines.digest() };
    await lines.put(JSON.stringify(end));
    await lines.flush();
    await handle.sync();
    await handle.close();
    await rename(draft, file);
    fsyncPath(dirname(file));
    return rows;
  } catch (cause) {
    await handle.close().catch(() => undefined);
    await rm(draft, { force: true });
    throw cause;
  }
}

/** What writes the lines between the first and the last. */
export interface Put {
  table(table: ExportTable): Promise<void>;
  row(line: string): Promise<void>;
}

class LineWriter {
  readonly #handle: FileHandle;
  readonly #hash: Hash = createHash("sha256");
  #waiting: Buffer[] = [];
  #bytes = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async put(line: string): Promise<void> {
    const bytes = Buffer.from(`${line}\n`);
    this.#hash.update(bytes);
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes >= BUFFER_BYTES) await this.flush();
  }

  /** Of the lines so far. */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  async flush(): Promise<void> {
    const all = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#bytes = 0;
    // A short write is no error by itself: what is left is written again.
    for (let done = 0; done < all.length;) {
      done += (await this.#handle.write(all, done)).bytesWritten;
    }
  }
}

/**
 * Reads an export, a line at a time.
 *
 * @throws {ExportDamaged} at the latest after its last line: what was read
 * before is only good when this ends by itself.
 */
export async function* readExport(file: string): AsyncIterable<ExportLine> {
  const hash = createHash("sha256");
  let rows = 0;
  let begun = false;
  let ended = false;
  for await (const bytes of linesOf(file)) {
    if (ended) throw new ExportDamaged(`${file} goes on after its last line`);
    const line = bytes.toString("utf8");
    if (!begun) {
      yield { kind: "header", header: headerOf(file, line) };
      begun = true;
    } else if (line.startsWith("[")) {
      rows += 1;
      yield { kind: "row", line };
    } else {
      const said = objectOf(file, line);
      if ("end" in said) {
        const end = said as unknown as ExportEnd;
        if (end.rows !== rows || end.sha256 !== hash.copy().digest("hex")) {
          throw new ExportDamaged(`${file} is not what was exported: its checksum is another one`);
        }
        ended = true;
      } else {
        yield { kind: "table", table: tableOf(file, said) };
      }
    }
    hash.update(bytes).update("\n");
  }
  if (!ended) throw new ExportDamaged(`${file} is cut: its last line is missing`);
}

function headerOf(file: string, line: string): ExportHeader {
  const said = line.startsWith("{") ? objectOf(file, line) : {};
  const { format, migrations } = said;
  const isList = Array.isArray(migrations) && migrations.every((name) => typeof name === "string");
  if (typeof format === "string" && format !== FORMAT && format.startsWith("nix-ota export")) {
    throw new ExportDamaged(
      `${file} has the form of a later version (${format}); import it with that`,
    );
  }
  if (format !== FORMAT || !isList) throw new ExportDamaged(`${file} is no export of nix-ota`);
  return said as unknown as ExportHeader;
}

function tableOf(file: string, said: Readonly<Record<string, unknown>>): ExportTable {
  const { table, columns } = said;
  if (typeof table === "string" && Array.isArray(columns) && columns.every(isText)) {
    return { table, columns };
  }
  throw new ExportDamaged(`${file} is not what was exported: a line is neither table nor row`);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function objectOf(file: string, line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    throw new ExportDamaged(`${file} is not what was exported: a line cannot be read`);
  }
}

async function* linesOf(file: string): AsyncIterable<Buffer> {
  await using handle = await open(file, "r");
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of handle.createReadStream({
    autoClose: false,
  }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (;;) {
      const at = chunk.indexOf(10, from);
      const piece = chunk.subarray(from, at === -1 ? chunk.length : at);
      rest.push(piece);
      restBytes += piece.length;
      if (restBytes > MOST_LINE_BYTES) throw new ExportDamaged(`${file} has a line without end`);
      if (at === -1) break;
      yield Buffer.concat(rest);
      [rest, restBytes, from] = [[], 0, at + 1];
    }
  }
  if (restBytes > 0) throw new ExportDamaged(`${file} is cut: its last line has no end`);
}
