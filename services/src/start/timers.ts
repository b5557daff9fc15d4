import { LIMITS } from "../limits.ts";
import { OtaError } from "../ota-error.ts";
import { LATE, within } from "../within.ts";

/** A database that takes too long is given up: a report comes again, and counts once. */
export async function inTime<T extends object>(
  work: Promise<T>,
  limitMs: number = LIMITS.commitMs,
): Promise<T> {
  const outcome = await within(work, limitMs);
  if (outcome !== LATE) return outcome;
  throw new OtaError("DATABASE_UNAVAILABLE", `no answer within ${limitMs} ms`);
}

/** Runs something after a while; what it returns calls that off. */
export function after(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
}
