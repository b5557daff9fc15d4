/** The steps of which a durable write consists; a test can cut the power between any two. */
export interface FileSteps {
  /** Creates or empties a file, with its permissions, and writes it. */
  write(path: string, bytes: Uint8Array, mode: number): Promise<void>;
  /** Brings a file's contents to the disk. */
  sync(path: string): Promise<void>;
  /** Puts a file in another's place, in one step. */
  rename(from: string, to: string): Promise<void>;
  /** Brings a directory's entries to the disk. */
  syncDirectory(path: string): Promise<void>;
}

/**
 * Replaces a file so that a power cut at any moment leaves either the whole old or the whole new
 * contents, and that once this returns only the new ones are left.
 */
export async function writeDurably(
  steps: FileSteps,
  directory: string,
  name: string,
  bytes: Uint8Array,
  mode: number,
): Promise<void> {
  const path = `${directory}/${name}`;
  const temporary = `${path}.next`;
  await steps.write(temporary, bytes, mode);
  // Without this a rename can reach the disk before the contents do: a file of zero bytes.
  await steps.sync(temporary);
  await steps.rename(temporary, path);
  await steps.syncDirectory(directory);
}
