import type { Ledger } from "../byte-budget.ts";
import type { Disk } from "../ports/disk.ts";
import type { Ledgers } from "../ports/records.ts";
import { slotFile } from "./slot-file.ts";

/** In `traffic.a` and `traffic.b`. Lost, another period begins. */
export function ledgerFile(disk: Disk, stateDir: string): Ledgers {
  const file = slotFile(disk, stateDir, "traffic", (body) => {
    const ledger = body as Ledger;
    return ledger.version === 1 ? ledger : undefined;
  });
  return {
    read: async () => await file.read(),
    write: async (ledger) => {
      await file.write(ledger);
    },
  };
}
