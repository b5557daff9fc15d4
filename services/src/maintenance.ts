import type { Logger } from "pino";

import { dropOldEvents } from "./db/event-retention.ts";
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

/**
 * Makes partitions ahead, drops what is old, and does what the database does not
 * do by itself.
 *
 * @param retentionDays How long events of devices are kept at least; 0: for ever.
 */
export function databaseUpkeep(
  store: Store,
  retentionDays: number,
  log: Logger,
): readonly (() => Promise<void>)[] {
  return [
    () => ensureEventPartitions(store.db),
    async () => {
      if (retentionDays === 0) return;
      const { months, strays } = await dropOldEvents(store.db, retentionDays);
      if (months.length + strays > 0) log.info({ months, strays }, "old events dropped");
    },
    () => store.maintain(),
  ];
}
