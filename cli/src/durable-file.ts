import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";

import { syncFolder } from "./durable-folder.ts";

/** For its owner alone: what these files hold is secret or steers where secrets go. */
const OWNER_ONLY = 0o600;

/** A file that nobody else can make any more, to be filled or given up. */
export interface ReservedFile {
  /** Fills it so that it survives a power cut; when that fails there is no file. */
  fill(text: string): Promise<void>;
  giveUp(): Promise<void>;
}

/**
 * Makes an empty file, readable by its owner only. It never replaces one.
 *
 * @throws what `open` throws, EEXIST among it.
 */
export async function reserveDurableFile(file: string): Promise<ReservedFile> {
  const handle = await open(file, "wx", OWNER_ONLY);
  return {
    async fill(text) {
      await writeAll(handle, file, text);
      await syncFolder(dirname(file));
    },
    async giveUp() {
      await handle.close();
      await rm(file, { force: true });
    },
  };
}

/** Makes a file as `reserveDurableFile` does, and fills it. */
export async function createDurableFile(file: string, text: string): Promise<void> {
  await (await reserveDurableFile(file)).fill(text);
}

/** The sentence for what making or filling a file throws. */
export function createProblem(error: unknown, file: string): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EEXIST") return `${file} exists and is never overwritten; give another --out`;
  return `${file} cannot be created; check the folder ${dirname(file)} and its disk`;
}

/**
 * Puts a text in the place of a file: after a power cut there is the one or the other, whole.
 *
 * @throws what the file system throws; the file is then as it was.
 */
export async function replaceDurableFile(file: string, text: string): Promise<void> {
  const beside = `${file}.${process.pid}.tmp`;
  // Left by a process of that number which was killed.
  await rm(beside, { force: true });
  await writeAll(await open(beside, "wx", OWNER_ONLY), beside, text);
  await rename(beside, file);
  await syncFolder(dirname(file));
}

async function writeAll(handle: FileHandle, file: string, text: string): Promise<void> {
  try {
    await handle.writeFile(text);
    await handle.sync();
  } catch (error) {
    // Half a file is of no use and would block the next try.
    await rm(file, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}
