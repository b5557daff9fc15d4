import type { Logger } from "pino";

import { ensureEventPartitions } from "./db/partitions.ts";
import type { Store } from "./db/store.ts";
import { repeat, type Repeated } from "./repeat.ts";

/** Housekeeping beside the calls, round after round. */
export function startMaintenance(
  parts: readonly (() => Promise<void>)[],
  log: Logger,
  everyMs: number,
): Repeated {
  return repeat(async () => {
    for (const part of parts) {
      try {
        await part();
      } catch (error) {
        // One part that fails keeps no other from its turn; nothing waits for
        // it, and the next round does the same again.
        log.error({ err: error }, "housekeeping of the database failed");
      }
    }
  }, everyMs);
}

/** Makes partitions ahead and does what the database does not do by itself. */
export function databaseUpkeep(store: Store): readonly (() => Promise<void>)[] {
  return [() => ensureEventPartitions(store.db), () => store.maintain()];
}
