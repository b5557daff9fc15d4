import type { Interceptor } from "@connectrpc/connect";

import type { Caller } from "./access/caller.ts";
import { CALLER } from "./auth.ts";
import { CALL } from "./call.ts";
import { OtaError } from "./ota-error.ts";

/**
 * Looks at a caller once more whose call took long to come. The gate decides
 * before the body is read, and whoever holds a body back for a minute would
 * otherwise use a token for as long after it was revoked.
 *
 * @param parts.afterMs How old a look at the caller may be, milliseconds.
 */
export function callerRecheck(parts: {
  readonly findEnded: (callers: readonly Caller[]) => Promise<ReadonlySet<Caller>>;
  readonly monotonicMs: () => number;
  readonly afterMs: number;
}): Interceptor {
  return (next) => async (request) => {
    const caller = request.contextValues.get(CALLER);
    const { arrivedMs } = request.contextValues.get(CALL);
    const isOld = parts.monotonicMs() - arrivedMs >= parts.afterMs;
    if (isOld && caller.kind !== "nobody" && (await parts.findEnded([caller])).has(caller)) {
      throw new OtaError(
        "CREDENTIAL_INVALID",
        "the caller's access ended while the call was sent; authenticate again",
      );
    }
    return await next(request);
  };
}
