import type { Logger } from "pino";

import { answerTo } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { OtaError } from "../ota-error.ts";
import { LATE, within } from "../within.ts";

/** What of a server that takes calls has to end, and how. */
export interface Running {
  /** Answers calls that wait, and makes it unready. */
  readonly shutdown: AbortController;
  /** Takes no more connections; false when calls had to be cut at the limit. */
  readonly closeListener: (limitMs: number) => Promise<boolean>;
  /** Makes durable what calls brought, and ends what uses the database by itself. */
  readonly settle: () => Promise<unknown>;
  readonly closeStore: () => Promise<void>;
  readonly log: Logger;
}

/**
 * Ends a server so that nothing that was acknowledged is lost: not ready, no more connections,
 * calls under way finish, what they brought is durable, the database is closed. Some 30 s at most.
 */
export async function shutDown(running: Running): Promise<void> {
  const { log } = running;
  running.shutdown.abort(
    answerTo(new OtaError("SHUTTING_DOWN", "the server is ending; try again")).error,
  );
  const allEnded = await running.closeListener(LIMITS.shutdownCallsMs);
  if (!allEnded) log.warn("some calls did not end in time and were cut");
  if ((await within(running.settle(), LIMITS.shutdownWritesMs)) === LATE) {
    log.warn("the database did not answer; what it was last given was acknowledged to nobody");
  }
  await running.closeStore();
  log.info("ended");
}
