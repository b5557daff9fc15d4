import { open, type FileHandle } from "node:fs/promises";

/** Permission bits of everybody but the owner. */
const OTHERS = 0o077;

/** What a file with a secret in it holds, and whether others can get at it. */
export interface PrivateFile {
  /** Its bytes as UTF-8; undefined when there are more than were allowed. */
  text: string | undefined;
  /** Permission bits in octal when group or others have any, e.g. `644`. */
  openMode: string | undefined;
}

/**
 * Reads at most `limitBytes` of a file.
 *
 * @throws what `open` and `read` throw.
 */
export async function readPrivateFile(file: string, limitBytes: number): Promise<PrivateFile> {
  const handle = await open(file, "r");
  try {
    // Asked of the open file, so that it cannot be another one by the time it is read.
    const { mode } = await handle.stat();
    const openMode = (mode & OTHERS) === 0 ? undefined : (mode & 0o777).toString(8);
    return { text: await readAtMost(handle, limitBytes), openMode };
  } finally {
    await handle.close();
  }
}

/** One read can be short: of a pipe, as in `--token-file <(pass show token)`, it often is. */
async function readAtMost(handle: FileHandle, limitBytes: number): Promise<string | undefined> {
  const buffer = Buffer.alloc(limitBytes + 1);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
    if (bytesRead === 0) return buffer.toString("utf8", 0, length);
    length += bytesRead;
  }
  return undefined;
}
