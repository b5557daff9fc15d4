import { takeLock } from "../agent-lock.ts";
import type { Disk } from "../ports/disk.ts";
import type { Postponements } from "../ports/records.ts";
import type { Postponement } from "../postponement.ts";

const NAME = "postponed";

/** A file of its own, since the command writes it beside an agent that runs; a lock orders the two. */
export function postponementFile(
  disk: Disk,
  stateDir: string,
  environment: Readonly<Record<string, string>>,
): Postponements {
  const read = async (): Promise<Postponement | undefined> => {
    const bytes = await disk.read(`${stateDir}/${NAME}`, 4096);
    if (bytes === undefined) return undefined;
    try {
      const value = JSON.parse(new TextDecoder().decode(bytes)) as Postponement;
      return value.version === 1 ? value : undefined;
    } catch {
      // Not written by this program: nobody asked for anything.
      return undefined;
    }
  };
  const write = async (next: Postponement | undefined) => {
    if (next === undefined) return await disk.remove(`${stateDir}/${NAME}`);
    const bytes = new TextEncoder().encode(JSON.stringify(next));
    return await disk.writeDurably(stateDir, NAME, bytes, 0o600);
  };
  return {
    read,
    async replace(old, next) {
      const release = takeLock(`${stateDir}/${NAME}.lock`, 10, environment);
      try {
        const same = JSON.stringify(await read()) === JSON.stringify(old);
        if (same) await write(next);
        return same;
      } finally {
        release();
      }
    },
  };
}
