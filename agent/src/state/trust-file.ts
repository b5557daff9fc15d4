import type { Disk } from "../ports/disk.ts";
import type { Links } from "../ports/links.ts";
import type { TrustStore } from "../ports/records.ts";
import type { Trust } from "../trust.ts";
import { noTrust, withCommitted } from "../trust.ts";
import { slotFile } from "./slot-file.ts";

/**
 * The trust record in `trust.a` and `trust.b`. When both are lost, floor and commit come from the
 * names of the committed GC roots, so that a wiped state directory does not open the way to replays
 * of what ran before.
 */
export function trustFile(
  disk: Disk,
  stateDir: string,
  links: Pick<Links, "committedRoots">,
): TrustStore {
  const file = slotFile(disk, stateDir, "trust", parse);
  const rooted = async () => {
    const roots = await links.committedRoots();
    return roots
      .toSorted((a, b) => a.revision - b.revision)
      .reduce(
        (found, { channel, ...committed }) => withCommitted(found, channel, committed),
        noTrust,
      );
  };
  return {
    read: async () => (await file.read()) ?? (await rooted()),
    async recover() {
      const kept = await file.read();
      if (kept !== undefined) return kept;
      const found = await rooted();
      if (found !== noTrust) await file.write(found);
      return found;
    },
    write: async (trust) => {
      await file.write(trust);
    },
  };
}

/** The record as it stands in the files; undefined: there is none that this agent can read. */
export async function storedTrust(disk: Disk, stateDir: string): Promise<Trust | undefined> {
  return await slotFile(disk, stateDir, "trust", parse).read();
}

function parse(body: unknown): Trust | undefined {
  const trust = body as Trust;
  return trust.version === 1 ? trust : undefined;
}
