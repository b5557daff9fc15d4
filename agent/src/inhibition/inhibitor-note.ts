/**
 * What inhibitors say of themselves, a file for each. Only words for `status` and the server: the
 * lock is what holds, so a note that its process left behind holds nothing and is deleted.
 */
import type { Disk } from "../ports/disk.ts";
import type { Inhibitor } from "../ports/supervision.ts";
import { isAlive } from "../process/process-group.ts";
import type { ProcessIdentity } from "../process/process-group.ts";

interface Note extends ProcessIdentity {
  readonly why: string;
}

/** Most notes that are read: more would tell nobody anything. */
const MOST = 16;

const folder = (stateDir: string) => `${stateDir}/inhibitors`;

/** Deletes the note again when called. */
export async function writeNote(
  disk: Disk,
  stateDir: string,
  note: Note,
): Promise<() => Promise<void>> {
  await disk.makeDirectory(folder(stateDir));
  const name = `${note.pid}-${note.startTicks}`;
  const bytes = new TextEncoder().encode(JSON.stringify(note));
  await disk.writeDurably(folder(stateDir), name, bytes, 0o600);
  return async () => {
    await disk.remove(`${folder(stateDir)}/${name}`);
  };
}

export async function readNotes(disk: Disk, stateDir: string): Promise<readonly Inhibitor[]> {
  const found: Inhibitor[] = [];
  for (const name of (await disk.list(folder(stateDir))).slice(0, MOST)) {
    const path = `${folder(stateDir)}/${name}`;
    const note = parse(await disk.read(path, 4096));
    if (note !== undefined && isAlive(note)) found.push({ pid: note.pid, why: note.why });
    else if (!name.endsWith(".next")) await disk.remove(path);
  }
  return found;
}

function parse(bytes: Uint8Array | undefined): Note | undefined {
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as Note;
  } catch {
    // Torn by a crash of who wrote it.
    return undefined;
  }
}
