/** What is told of a closure that was applied, as long as its kernel is not booted and from then on. Pure. */
import type { ReportedAttempt } from "./reported-event.ts";

const PROVEN = "runs, is proven, and is what boots next";

export const appliedSentence = (rebootRequired: boolean): string =>
  rebootRequired ? `${PROVEN}; reboot for its kernel` : PROVEN;

/** The same attempt once its closure was booted. */
export function onceBooted(last: ReportedAttempt): ReportedAttempt {
  if (!last.rebootRequired) return last;
  const message = last.message === appliedSentence(true) ? appliedSentence(false) : last.message;
  return { ...last, message, rebootRequired: false };
}

/** The same attempt once another system than its closure and the one before was booted. */
export function onceLeft(last: ReportedAttempt): ReportedAttempt {
  if (!last.rebootRequired) return last;
  const message = "was applied and is proven, but the device was booted into another system since";
  return { ...last, message, rebootRequired: false };
}
