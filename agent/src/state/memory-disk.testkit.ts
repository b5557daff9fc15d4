import { AgentError } from "../agent-error.ts";
import type { Disk } from "../ports/disk.ts";
import { writeDurably } from "./durable-write.ts";

interface File {
  readonly bytes: Uint8Array;
  readonly synced: boolean;
}

/**
 * A disk in memory that loses power: contents that were not synced and names whose directory was
 * not synced survive by luck, torn or whole.
 */
export function memoryDisk(power: { cutAfter?: number; survives?: () => boolean } = {}): Disk & {
  afterCut(): Disk;
  tear(path: string): void;
  edit(path: string, edit: (text: string) => string): void;
} {
  const cutAfter = power.cutAfter ?? Number.POSITIVE_INFINITY;
  const survives = power.survives ?? (() => true);
  // What programs see, and what the disk holds for certain.
  const seen = new Map<string, File>();
  const certain = new Map<string, File>();
  let steps = 0;
  const spend = () => {
    steps += 1;
    if (steps > cutAfter) throw new Error("power cut");
  };
  const directoryOf = (path: string) => path.slice(0, path.lastIndexOf("/"));

  const disk = (files: Map<string, File>): Disk => ({
    read: async (path) => files.get(path)?.bytes,
    list: async (directory) =>
      [...files.keys()]
        .filter((path) => directoryOf(path) === directory)
        .map((path) => path.slice(directory.length + 1))
        .toSorted(),
    remove: async (path) => {
      files.delete(path);
    },
    makeDirectory: async () => {},
    writeDurably: async (directory, name, bytes, mode) => {
      await writeDurably(
        {
          write: async (path, contents) => {
            spend();
            seen.set(path, { bytes: contents, synced: false });
          },
          sync: async (path) => {
            spend();
            const file = seen.get(path);
            if (file !== undefined) seen.set(path, { ...file, synced: true });
          },
          rename: async (from, to) => {
            spend();
            const file = seen.get(from);
            seen.delete(from);
            if (file !== undefined) seen.set(to, file);
          },
          syncDirectory: async (path) => {
            spend();
            for (const [name, file] of seen)
              if (directoryOf(name) === path) certain.set(name, file);
          },
        },
        directory,
        name,
        bytes,
        mode,
      );
    },
  });

  return {
    ...disk(seen),
    afterCut() {
      const left = new Map<string, File>();
      for (const name of new Set([...seen.keys(), ...certain.keys()])) {
        const file = survives() ? (seen.get(name) ?? certain.get(name)) : certain.get(name);
        if (file === undefined) continue;
        // Contents that nobody synced: whole, or a name without a byte.
        const bytes = file.synced || survives() ? file.bytes : new Uint8Array();
        left.set(name, { bytes, synced: true });
      }
      return disk(left);
    },
    tear(path) {
      const file = seen.get(path);
      if (file !== undefined)
        seen.set(path, { ...file, bytes: file.bytes.slice(0, file.bytes.length / 2) });
    },
    edit(path, edit) {
      const file = seen.get(path);
      if (file === undefined) throw new Error(`no file ${path}`);
      seen.set(path, {
        ...file,
        bytes: new TextEncoder().encode(edit(new TextDecoder().decode(file.bytes))),
      });
    },
  };
}

/** A disk with room for so many files more, which counts those of one directory alone where one is given. */
export function fillableDisk(directory?: string) {
  const whole = memoryDisk();
  const disk = {
    ...whole,
    room: Number.POSITIVE_INFINITY,
    writeDurably: async (...file: Parameters<typeof whole.writeDurably>) => {
      const counts = (directory ?? file[0]) === file[0];
      if (counts && disk.room === 0) throw new AgentError("state", `${file[0]} is full`, undefined);
      if (counts) disk.room -= 1;
      await whole.writeDurably(...file);
    },
  };
  return disk;
}
