import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";

import { HarnessError } from "./harness-error.ts";

/**
 * Looks until `look` gives a value, for states that another process reaches by itself.
 *
 * @param describe what stands there instead, for the error.
 * @throws {HarnessError} kind `not-ready` when the time is up.
 */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined>,
  options: { readonly timeoutMs?: number; readonly describe?: () => unknown } = {},
): Promise<T> {
  const { timeoutMs = 45_000, describe } = options;
  const until = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (performance.now() > until) {
      const instead = describe === undefined ? "" : `; it is ${inspect(await describe())}`;
      throw new HarnessError("not-ready", `${what} did not happen in ${timeoutMs} ms${instead}`);
    }
    await delay(50);
  }
}
