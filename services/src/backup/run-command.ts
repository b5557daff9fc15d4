import type { Command } from "../commands.ts";
import { migrate } from "../db/migrate.ts";
import type { Store } from "../db/store.ts";
import { exportDatabase } from "./export.ts";
import { checkExport, importDatabase } from "./import.ts";
import { markRestored } from "./mark-restored.ts";
import { nextSteps } from "./next-steps.ts";

/** The command cannot be done as things are; the sentence names the remedy. */
export class CommandRefused extends Error {
  override readonly name = "CommandRefused";
}

/** Commands that do one thing and end. */
export type OnceCommand = Extract<Command, { kind: "export" | "import" | "restored" }>;

/** What the commands touch beside their file. */
export interface Surroundings {
  readonly open: () => Promise<Store>;
  readonly version: string;
  readonly now: Date;
  /** Tells a person how it goes. */
  readonly tell: (text: string) => void;
}

/** @throws {CommandRefused} {ExportDamaged} {SchemaTooNew} {DataDirInUse} */
export async function runCommand(command: OnceCommand, surroundings: Surroundings): Promise<void> {
  switch (command.kind) {
    case "export":
      return await runExport(command.file, surroundings);
    case "import":
      return await runImport(command.file, surroundings);
    case "restored":
      return await runRestored(surroundings);
  }
}

/** @throws {CommandRefused} when there is nothing to export. */
async function runExport(file: string, { open, tell, ...made }: Surroundings): Promise<void> {
  const rows = await using(open, (store) => exportDatabase(store, { ...made, file }));
  if (rows === undefined) {
    throw new CommandRefused("the database is empty: there is nothing to export");
  }
  tell(`exported ${rows} rows to ${file}\n`);
}

/** @throws {CommandRefused} unless the database is empty. @throws {ExportDamaged} */
async function runImport(file: string, { open, tell }: Surroundings): Promise<void> {
  // Before the database is touched.
  const header = await checkExport(file);
  const onTable = (name: string) => tell(`importing ${name}\n`);
  const imported = await using(open, (store) => importDatabase(store, { file, header, onTable }));
  if (imported.kind === "not-empty") {
    throw new CommandRefused(
      "the database is not empty, and an import mixes with nothing; give an empty one: another --data-dir, or a DATABASE_URL made with createdb",
    );
  }
  tell(`imported ${imported.rows} rows, exported at ${header.exportedAt}\n\n`);
  tell(nextSteps(imported.restored));
}

/** Brings the schema up to date as well. */
async function runRestored({ open, tell }: Surroundings): Promise<void> {
  const restored = await using(open, async ({ db }) => {
    await migrate(db);
    return await db.transaction().execute((transaction) => markRestored(transaction, "Restored"));
  });
  tell(nextSteps(restored));
}

async function using<T>(open: () => Promise<Store>, use: (store: Store) => Promise<T>): Promise<T> {
  const store = await open();
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}
