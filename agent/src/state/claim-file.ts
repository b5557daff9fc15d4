import type { Claim } from "../own-generations.ts";
import type { Disk } from "../ports/disk.ts";
import type { Claims } from "../ports/records.ts";
import { slotFile } from "./slot-file.ts";

interface Body {
  readonly version: 1;
  readonly claims: readonly Claim[];
}

/** In `generations.a` and `generations.b`. Lost, every generation counts as made by a person, and stays. */
export function claimFile(disk: Disk, stateDir: string): Claims {
  const file = slotFile(disk, stateDir, "generations", (body) => {
    const parsed = body as Body;
    return parsed.version === 1 ? parsed : undefined;
  });
  return {
    read: async () => (await file.read())?.claims ?? [],
    write: async (claims) => {
      await file.write({ version: 1, claims });
    },
  };
}
