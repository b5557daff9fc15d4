/** Why a device is where it is, in one sentence: the same on the device and on the server. Pure. */

/** An attempt as its device tells it. */
export interface ToldAttempt {
  readonly revision: bigint;
  /** As the contract's Outcome spells it; `UNSPECIFIED`: it has not ended. */
  readonly outcome: string;
  /** As the contract's AgentState spells it. */
  readonly state: string;
  /** Empty: it says no more. */
  readonly message: string;
  /** Whether what it did is only whole after a reboot. */
  readonly rebootRequired: boolean;
}

/** Why nothing is offered. */
export function whyHeld(
  deviceId: string,
  hold: { readonly reason: string; readonly explanation: string },
  attempt: ToldAttempt | undefined,
): string {
  const failure = hold.reason === "QUARANTINED" ? failureOf(attempt) : "";
  const reboot = hold.reason === "UP_TO_DATE" ? rebootOf(attempt) : "";
  return `${deviceId}: ${hold.explanation}${failure}${reboot}`;
}

/** How far the device is with what it is offered. */
export function whyOffered(
  deviceId: string,
  offer: { readonly revision: bigint; readonly channel: string },
  attempt: ToldAttempt | undefined,
): string {
  return `${deviceId} is offered r${offer.revision} of ${offer.channel}${progressOf(attempt, offer.revision)}`;
}

function failureOf(attempt: ToldAttempt | undefined): string {
  if (attempt === undefined || attempt.message === "") return "";
  return ` (${attempt.outcome.toLowerCase()} at r${attempt.revision}: ${attempt.message})`;
}

/** What is committed still waits for its reboot. */
function rebootOf(attempt: ToldAttempt | undefined): string {
  const waits = attempt?.outcome === "APPLIED" && attempt.rebootRequired && attempt.message !== "";
  return waits ? `: it ${attempt.message}` : "";
}

function progressOf(attempt: ToldAttempt | undefined, revision: bigint): string {
  if (attempt?.revision !== revision) return " and has not begun";
  const because = attempt.message === "" ? "" : `: ${attempt.message}`;
  return attempt.outcome === "UNSPECIFIED"
    ? ` and is ${attempt.state.toLowerCase()}${because}`
    : `; its last attempt ended as ${attempt.outcome.toLowerCase()}${because}`;
}
