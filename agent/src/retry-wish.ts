import type { Event } from "./events.ts";
import type { Machine } from "./machine.ts";
import { grantIsSpent } from "./tally.ts";
import { isNeverRetried } from "./trust.ts";
import type { Trust } from "./trust.ts";

/**
 * An operator's wish that a revision is tried once more. It is granted once for a revision that is in
 * quarantine, and never where the closure is not what was signed for, or not for this device; undefined: there is nothing to grant. Pure.
 *
 * @param revision 0: the operator wishes nothing.
 */
export function retryWish(
  { state, tally }: Machine,
  { quarantine }: Trust,
  channel: string,
  revision: number,
): Event | undefined {
  if (revision === 0 || grantIsSpent(tally) || (state.name !== "idle" && state.name !== "stuck"))
    return undefined;
  const waits = quarantine.some(
    (one) => one.channel === channel && one.revision === revision && !isNeverRetried(one.failure),
  );
  return waits ? { on: "retryAsked", revision } : undefined;
}
