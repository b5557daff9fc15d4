import type { Failure } from "./failure.ts";
import { failureTraits } from "./failure.ts";
import type { Outcome } from "./outcome.ts";

/** Activations of one revision that a device makes by itself. */
export const ACTIVATIONS_ALLOWED = 2;

/** Activations taken back because the previous system did not reach the server either. */
export const SILENCES_FORGIVEN = 3;

/** Activations that end in lost contact, which the network may have caused. */
export const CONTACT_LOSSES_ALLOWED = 3;

/** What the device has tried with the newest revision. Another payload starts at zero. */
export interface Tally {
  /** sha256 of the manifest's payload, 64 hex digits; empty: none was tried. */
  readonly payloadSha256: string;
  /** Activations begun, 0 to 3. */
  readonly activations: number;
  /** Activations that a person or operator granted on top, 0 or 1. */
  readonly granted: number;
  /** Activations taken back, 0 to 3; absent: none. */
  readonly takenBack?: number;
  /** Attempts that ended without being applied: the next one waits longer. */
  readonly ends: number;
}

export const emptyTally: Tally = { payloadSha256: "", activations: 0, granted: 0, ends: 0 };

/** The tally once an attempt at this payload begins. */
export function begin(tally: Tally, payloadSha256: string): Tally {
  return tally.payloadSha256 === payloadSha256 ? tally : { ...emptyTally, payloadSha256 };
}

/**
 * Whether what was granted has had its attempt. A grant that has not, while its revision is in
 * quarantine, was cut short by a crash or a full disk.
 */
export const grantIsSpent = ({ granted, ends }: Pick<Tally, "granted" | "ends">): boolean =>
  granted > 0 && ends > 0;

/**
 * The tally without the activation that a common silence spoilt. A device whose link always takes
 * longer to come up than it is waited for would otherwise activate and go back for ever.
 */
export function takeBack(tally: Tally): Tally {
  const takenBack = tally.takenBack ?? 0;
  if (tally.activations === 0 || takenBack >= SILENCES_FORGIVEN) return tally;
  return { ...tally, activations: tally.activations - 1, takenBack: takenBack + 1 };
}

/**
 * Whether an attempt that ended so must not be made again by itself: the closure is to blame, or the
 * revision has had its activations. Lost contact has one more, so that whoever cuts a link cannot
 * shut out a security fix at once.
 */
export function deservesQuarantine(
  tally: Tally,
  outcome: Outcome,
  failure: Failure | undefined,
): boolean {
  if (outcome === "applied" || outcome === "superseded" || outcome === "external_change")
    return false;
  if (failure === undefined) return false;
  if (failureTraits[failure.code].ownFault) return true;
  const allowed = failure.code === "CONTACT_LOST" ? CONTACT_LOSSES_ALLOWED : ACTIVATIONS_ALLOWED;
  return tally.activations >= Math.min(allowed + tally.granted, CONTACT_LOSSES_ALLOWED);
}
