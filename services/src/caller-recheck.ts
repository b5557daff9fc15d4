import type { Interceptor } from "@connectrpc/connect";

import type { Caller } from "./access/caller.ts";
import { CALLER } from "./auth.ts";
import { CALL } from "./call.ts";
import { OtaError } from "./ota-error.ts";

/** What finds out whether a caller may still call. */
export interface Recheck {
  /** Which of the callers may call no more. */
  readonly findEnded: (callers: readonly Caller[]) => Promise<ReadonlySet<Caller>>;
  /** How old a look at the caller may be, milliseconds. */
  readonly afterMs: number;
}

/**
 * Looks at a caller once more whose call took long to come. The gate decides
 * before the body is read, and whoever holds a body back for a minute would
 * otherwise use a token for as long after it was revoked.
 */
export function callerRecheck(
  { findEnded, afterMs }: Recheck,
  monotonicMs: () => number,
): Interceptor {
  return (next) => async (request) => {
    const caller = request.contextValues.get(CALLER);
    const { arrivedMs } = request.contextValues.get(CALL);
    const isOld = monotonicMs() - arrivedMs >= afterMs;
    if (isOld && caller.kind !== "nobody" && (await findEnded([caller])).has(caller)) {
      throw new OtaError(
        "CREDENTIAL_INVALID",
        "the caller's access ended while the call was sent; authenticate again",
      );
    }
    return await next(request);
  };
}
