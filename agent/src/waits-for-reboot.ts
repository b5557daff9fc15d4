/** What is told of a closure that was applied, as long as its kernel is not booted and from then on. Pure. */
import type { FirstBoot } from "./attempt.ts";
import type { ReportedAttempt } from "./reported-event.ts";

const PROVEN = "runs, is proven, and is what boots next";

export const appliedSentence = (rebootRequired: boolean): string =>
  rebootRequired ? `${PROVEN}; reboot for its kernel` : PROVEN;

/** The attempt that ended last, once the device was rebooted: it waits only for a first boot that is still to come. */
export function afterReboot(
  last: ReportedAttempt | undefined,
  firstBoot: FirstBoot | undefined,
): ReportedAttempt | undefined {
  if (last?.rebootRequired !== true || firstBoot !== undefined) return last;
  const told = last.message === appliedSentence(true) ? appliedSentence(false) : last.message;
  return { ...last, message: told, rebootRequired: false };
}
