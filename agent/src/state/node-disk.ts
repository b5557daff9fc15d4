import { constants } from "node:fs";
import { open, readdir, rename, rm } from "node:fs/promises";

import { AgentError } from "../agent-error.ts";
import type { Disk } from "../ports/disk.ts";
import { makeDurably } from "./durable-directory.ts";
import { type FileSteps, writeDurably } from "./durable-write.ts";

const isMissing = (cause: unknown) => (cause as NodeJS.ErrnoException).code === "ENOENT";

/** Brings a file's contents, or a directory's entries, to the disk. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** How files are written on this machine. */
export const nodeFileSteps: FileSteps = {
  async write(path, bytes, mode) {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
    const handle = await open(path, flags, mode);
    try {
      await handle.chmod(mode);
      await handle.writeFile(bytes);
    } finally {
      await handle.close();
    }
  },
  sync: syncPath,
  rename,
  syncDirectory: syncPath,
};

/** The disk of the machine. Every foreign error becomes an AgentError "state". */
export const nodeDisk = diskOver(nodeFileSteps);

/** The same over other steps of writing, of which a test may watch each. */
export function diskOver(steps: FileSteps): Disk {
  return {
    async read(path, limitBytes) {
      try {
        const handle = await open(path, constants.O_RDONLY);
        try {
          const { size } = await handle.stat();
          if (size > limitBytes) throw new Error(`it has ${size} bytes, over ${limitBytes}`);
          const bytes = new Uint8Array(size);
          const { bytesRead } = await handle.read(bytes, 0, size, 0);
          return bytes.subarray(0, bytesRead);
        } finally {
          await handle.close();
        }
      } catch (cause) {
        if (isMissing(cause)) return undefined;
        throw new AgentError("state", `${path} cannot be read`, cause);
      }
    },

    async writeDurably(directory, name, bytes, mode) {
      try {
        await writeDurably(steps, directory, name, bytes, mode);
      } catch (cause) {
        throw new AgentError(
          "state",
          `${directory}/${name} cannot be written; check space and permissions`,
          cause,
        );
      }
    },

    async list(directory) {
      try {
        return (await readdir(directory)).toSorted();
      } catch (cause) {
        if (isMissing(cause)) return [];
        throw new AgentError("state", `${directory} cannot be listed`, cause);
      }
    },

    async remove(path) {
      try {
        await rm(path, { force: true });
      } catch (cause) {
        throw new AgentError("state", `${path} cannot be deleted`, cause);
      }
    },

    async makeDirectory(path) {
      try {
        await makeDurably(path, 0o700, steps.syncDirectory);
      } catch (cause) {
        throw new AgentError("state", `${path} cannot be made`, cause);
      }
    },
  };
}
