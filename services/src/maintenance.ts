import type { Logger } from "pino";

import { ensureEventPartitions } from "./db/partitions.ts";
import type { Store } from "./db/store.ts";

/** Housekeeping that goes on until it is stopped. */
export interface Maintenance {
  /** Resolves when a round under way is done. */
  stop(): Promise<void>;
}

/** Makes partitions ahead and does what the database does not do by itself, round after round. */
export function startMaintenance(store: Store, log: Logger, everyMs: number): Maintenance {
  let round = Promise.resolve();
  const timer = setInterval(() => {
    round = round.then(() => maintain(store, log));
  }, everyMs);
  return {
    async stop() {
      clearInterval(timer);
      await round;
    },
  };
}

/** One part that fails does not keep the other from its turn. */
async function maintain(store: Store, log: Logger): Promise<void> {
  for (const part of [() => ensureEventPartitions(store.db), () => store.maintain()]) {
    try {
      await part();
    } catch (error) {
      // Nothing waits for it, and the next round does the same again.
      log.error({ err: error }, "housekeeping of the database failed");
    }
  }
}
