import { open } from "node:fs/promises";

import { CliError } from "./cli-error.ts";

/**
 * The text of a file of at most `limitBytes`.
 *
 * @param remedy What to do where it cannot be read, e.g. `check --targets`.
 * @throws {CliError} `file`.
 */
export async function readFileBounded(
  file: string,
  limitBytes: number,
  remedy: string,
): Promise<string> {
  const bytes = await readBytes(file, limitBytes, remedy);
  if (bytes.length > limitBytes)
    throw new CliError("file", `${file} is over ${limitBytes} bytes; ${remedy}`);
  return new TextDecoder().decode(bytes);
}

/** The bytes of a file, or the first of them: one more than `limitBytes` where there are more. */
export async function readBytes(
  file: string,
  limitBytes: number,
  remedy: string,
): Promise<Uint8Array> {
  const handle = await open(file, "r").catch((error: unknown) => {
    throw new CliError("file", `${file} cannot be opened; ${remedy}`, { cause: error });
  });
  try {
    const chunks: Buffer[] = [];
    let left = limitBytes + 1;
    // Its size is not asked: pipes have none, and a file may grow meanwhile.
    while (left > 0) {
      const buffer = Buffer.alloc(Math.min(left, 64 * 1024));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length);
      if (bytesRead === 0) break;
      chunks.push(buffer.subarray(0, bytesRead));
      left -= bytesRead;
    }
    return Uint8Array.from(Buffer.concat(chunks));
  } catch (error) {
    throw new CliError("file", `${file} cannot be read; ${remedy}`, { cause: error });
  } finally {
    await handle.close();
  }
}
