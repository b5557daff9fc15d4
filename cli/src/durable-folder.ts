import { mkdir, open, readdir, rename } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

import { boundedForEach } from "./bounded-for-each.ts";

/** A file system puts what several wait for to the disk together. */
const SYNCED_AT_ONCE = 8;

/** Makes a folder with its parents, to survive a power cut. */
export async function makeDurableFolder(path: string): Promise<void> {
  const place = resolve(path);
  const first = await mkdir(place, { recursive: true });
  if (first === undefined) return;
  for (let made = place; made.length >= first.length; made = dirname(made))
    await syncFolder(dirname(made));
}

/**
 * Gives a folder that others filled another name beside its own: after a power cut it is under that
 * name with all that is in it, or not under that name.
 *
 * @param signal ends it before it has the name.
 * @throws what the file system throws, or the signal's reason.
 */
export async function nameDurably(
  folder: string,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const { files, folders } = await contentsOf(folder);
  await boundedForEach(files, SYNCED_AT_ONCE, async (file) => {
    signal.throwIfAborted();
    await syncFile(file);
  });
  for (const each of folders) await syncFolder(each);
  signal.throwIfAborted();
  await rename(folder, name);
  await syncFolder(dirname(name));
}

/** Brings the entries of a folder to the disk. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    await syncFile(folder);
  } catch (cause) {
    // Some file systems of sticks cannot be asked that of a folder, and nothing else does it there.
    if (!["EINVAL", "ENOTSUP"].includes((cause as NodeJS.ErrnoException).code ?? "")) throw cause;
  }
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function contentsOf(folder: string): Promise<{ files: string[]; folders: string[] }> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const pathsOf = (of: typeof entries) => of.map(({ parentPath, name }) => join(parentPath, name));
  return {
    files: pathsOf(entries.filter((entry) => entry.isFile())),
    folders: [...pathsOf(entries.filter((entry) => entry.isDirectory())), folder],
  };
}
