/** When to ask the server next. Pure. */
import { backoffMs, jittered } from "./backoff.ts";
import type { Config } from "./config.ts";
import type { Contact } from "./contact.ts";

/**
 * The device's own interval where it has one, else the server's; longer after failures, but not
 * ever longer where a person is to end a refusal.
 *
 * @param fraction random, 0 (inclusive) to 1.
 */
export function pollMs(
  { pollInterval, settings }: Pick<Config, "pollInterval" | "settings">,
  contact: Contact,
  fraction: number,
): number {
  const { minMs, maxMs, defaultMs, jitterPercent, backoffFirstMs, backoffMaxMs } = settings.poll;
  const own = pollInterval === null ? contact.directedMs || defaultMs : pollInterval * 1000;
  const clamped = Math.min(maxMs, Math.max(minMs, own));
  const wait = () => {
    if (contact.misses === 0) return jittered(clamped, jitterPercent, fraction);
    if (contact.refusedMs > 0) return jittered(contact.refusedMs, jitterPercent, fraction);
    return backoffMs(contact.misses, backoffFirstMs, backoffMaxMs, fraction);
  };
  return Math.max(wait(), contact.misses === 0 ? 0 : minMs, contact.retryAfterMs);
}
