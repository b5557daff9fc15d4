import { recordAudit } from "../access/queries.ts";
import type { Db } from "../db/database.ts";
import { voidAndSuspend, type Restored } from "../db/restored.ts";

/** Marks a restored database and writes it down. Give a transaction. */
export async function markRestored(db: Db, action: "Import" | "Restored"): Promise<Restored> {
  const restored = await voidAndSuspend(db);
  // The program itself does it: there is no actor and no address.
  await recordAudit(db, { actor: "", action, subject: "database", address: "", after: restored });
  return restored;
}
