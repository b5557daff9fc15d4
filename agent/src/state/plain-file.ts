import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { lstat, open } from "node:fs/promises";

import { AgentError } from "../agent-error.ts";
import { writeFailure } from "./write-failure.ts";

const CHUNK_BYTES = 1024 * 1024;

const codeOf = (cause: unknown) => (cause as NodeJS.ErrnoException).code;

const notPlain = (name: string, cause?: unknown) =>
  new AgentError(
    "bundle",
    `${name} in the bundle is no plain file; make the bundle anew with \`nix-ota bundle\``,
    cause,
  );

const unreadable = (name: string, cause: unknown) =>
  new AgentError(
    "bundle",
    `${name} in the bundle cannot be read; check the stick, or copy the bundle once more`,
    cause,
  );

/** Files of a folder that somebody else made, and may be changing still. */
export interface PlainFiles {
  /**
   * Contents; undefined: there is no such file.
   *
   * @throws {AgentError} kind `bundle` for one that is over the limit, no plain file or unreadable.
   */
  read(name: string, limitBytes: number): Promise<Uint8Array | undefined>;
  /** Bytes of a file; undefined: there is none. Throws as `read`. */
  size(name: string): Promise<number | undefined>;
  /**
   * Writes so many bytes of a file, which must be all, to one that is not there yet. Throws as `read`,
   * and as `writePlain`.
   */
  copy(name: string, size: number, to: string): Promise<void>;
}

/**
 * Nothing in the folder leads out of it: a link is not followed, and a pipe or device not waited for.
 *
 * @param within folders in it, beside itself, that hold what is asked for.
 * @param signal ends whatever is done with the files, before the next one and within a long one.
 * @throws {AgentError} kind `bundle` when one of those is no folder.
 */
export async function plainFiles(
  root: string,
  within: readonly string[],
  signal: AbortSignal,
): Promise<PlainFiles> {
  for (const folder of within) {
    const status = await lstat(`${root}/${folder}`).catch((cause: unknown) => {
      if (codeOf(cause) === "ENOENT" || codeOf(cause) === "ENOTDIR") return undefined;
      throw unreadable(folder, cause);
    });
    if (status?.isDirectory() !== true)
      throw new AgentError(
        "bundle",
        `${root} has no folder ${folder}; name a folder that \`nix-ota bundle\` made`,
        undefined,
      );
  }

  const withFile = async <Value>(
    name: string,
    work: (handle: FileHandle, size: number) => Promise<Value>,
  ): Promise<Value | undefined> => {
    signal.throwIfAborted();
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    let handle: FileHandle;
    try {
      // To open a device, were it only to find out that it is one, can set it going.
      if (!(await lstat(`${root}/${name}`)).isFile()) throw notPlain(name);
      handle = await open(`${root}/${name}`, flags);
    } catch (cause) {
      if (cause instanceof AgentError) throw cause;
      if (codeOf(cause) === "ENOENT") return undefined;
      if (codeOf(cause) === "ELOOP" || codeOf(cause) === "ENXIO") throw notPlain(name, cause);
      throw unreadable(name, cause);
    }
    try {
      const status = await handle.stat();
      if (!status.isFile()) throw notPlain(name);
      return await work(handle, status.size);
    } finally {
      await handle.close();
    }
  };

  return {
    read: async (name, limitBytes) =>
      await withFile(name, async (handle, size) => {
        if (size > limitBytes) throw tooLarge(name, size, limitBytes);
        const bytes = new Uint8Array(size);
        if ((await readInto(handle, name, bytes, 0)) !== size) throw changed(name);
        return bytes;
      }),
    size: async (name) => await withFile(name, async (_, size) => await Promise.resolve(size)),
    async copy(name, size, to) {
      const copied = await withFile(name, async (from) => {
        const target = await create(to);
        try {
          const buffer = new Uint8Array(Math.min(CHUNK_BYTES, size + 1));
          let at = 0;
          for (;;) {
            signal.throwIfAborted();
            const bytesRead = await readInto(from, name, buffer, at);
            if (bytesRead === 0) break;
            at += bytesRead;
            if (at > size) throw changed(name);
            await written(to, target.writeFile(buffer.subarray(0, bytesRead)));
          }
          if (at !== size) throw changed(name);
          return true;
        } finally {
          await target.close();
        }
      });
      if (copied === undefined) throw changed(name);
    },
  };
}

/**
 * Writes a file that is not there yet, and does not wait until it is on the disk.
 *
 * @throws {AgentError} kind `room` when the disk is full, `state` for what else goes wrong.
 */
export async function writePlain(to: string, bytes: Uint8Array): Promise<void> {
  const target = await create(to);
  try {
    await written(to, target.writeFile(bytes));
  } finally {
    await target.close();
  }
}

async function readInto(
  handle: FileHandle,
  name: string,
  buffer: Uint8Array,
  from: number,
): Promise<number> {
  let filled = 0;
  try {
    while (filled < buffer.length) {
      const left = buffer.length - filled;
      const { bytesRead } = await handle.read(buffer, filled, left, from + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
  } catch (cause) {
    throw unreadable(name, cause);
  }
  return filled;
}

const create = async (path: string): Promise<FileHandle> =>
  await written(path, open(path, "wx", 0o600));

async function written<Value>(path: string, writing: Promise<Value>): Promise<Value> {
  try {
    return await writing;
  } catch (cause) {
    throw writeFailure(path, cause);
  }
}

const tooLarge = (name: string, size: number, limit: number) =>
  new AgentError(
    "bundle",
    `${name} in the bundle has ${size} bytes, over the ${limit} that it may have; make the bundle anew with \`nix-ota bundle\``,
    undefined,
  );

const changed = (name: string) =>
  new AgentError(
    "bundle",
    `${name} in the bundle changed while it was read; copy the bundle once more`,
    undefined,
  );
