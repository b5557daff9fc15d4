import type { Disk } from "../ports/disk.ts";
import type { ServerNotes } from "../ports/records.ts";
import type { ServerNote } from "../server-note.ts";

const NAME = "server";

export function serverNoteFile(disk: Disk, stateDir: string): ServerNotes {
  return {
    async read() {
      const bytes = await disk.read(`${stateDir}/${NAME}`, 4096);
      if (bytes === undefined) return undefined;
      try {
        return JSON.parse(new TextDecoder().decode(bytes)) as ServerNote;
      } catch {
        // The next report writes it anew.
        return undefined;
      }
    },
    write: async (note) => {
      await disk.writeDurably(
        stateDir,
        NAME,
        new TextEncoder().encode(JSON.stringify(note)),
        0o600,
      );
    },
  };
}
