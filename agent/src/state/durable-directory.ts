import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a directory with its parents. What is durable in a directory is only there after a
 * power cut if the directory itself is, which its parent knows.
 *
 * @param syncDirectory brings a directory's entries to the disk.
 */
export async function makeDurably(
  path: string,
  mode: number,
  syncDirectory: (path: string) => Promise<void>,
): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) {
    await syncDirectory(dirname(made));
  }
}
