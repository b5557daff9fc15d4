import { whyHeld, whyOffered, type ToldAttempt } from "@nix-ota/proto/why";

import type { OfferDecision } from "../channel/offer.ts";

/** What an explanation is made from; the outcome and message are the device's claims. */
export interface Explained {
  readonly deviceId: string;
  readonly channel: string;
  /** Seconds since its last report; undefined: it never reported. */
  readonly silentS: number | undefined;
  /** How often it is told to report, seconds. */
  readonly checkInIntervalS: number;
  readonly decision: OfferDecision;
  /** The release for which it counts as silent, with the time that its rollout allows; undefined: none. */
  readonly silence: { readonly revision: bigint; readonly deviceTimeoutMs: bigint } | undefined;
  /** Its attempt under way or ended last. */
  readonly attempt: ToldAttempt | undefined;
}

/** Missed reports after which a device counts as silent. */
export const SILENT_INTERVALS = 3;

/** One sentence: why a device is, or is not, up to date, and what helps. */
export function explain(explained: Explained): string {
  const { deviceId, channel, silentS, decision } = explained;
  if (silentS === undefined) {
    // A device that is not let in cannot report, and its log would say no more.
    if (decision.kind === "hold" && decision.reason === "NOT_ENROLLED") {
      return `${deviceId}: ${decision.explanation}`;
    }
    return `${deviceId} enrolled and never reported; look at its agent's log`;
  }
  const silence = silenceOf(explained, silentS);
  if (decision.kind === "hold") {
    return whyHeld(deviceId, decision, explained.attempt) + silence;
  }
  return (
    whyOffered(deviceId, { revision: decision.revision, channel }, explained.attempt) + silence
  );
}

function silenceOf({ checkInIntervalS, silence }: Explained, silentS: number): string {
  if (silence === undefined && silentS <= SILENT_INTERVALS * checkInIntervalS) return "";
  const counted =
    silence === undefined
      ? ""
      : `, over the ${spanOf(Number(silence.deviceTimeoutMs) / 1000)} of the rollout of r${silence.revision}, and counts as failed`;
  return `; it was silent for ${spanOf(silentS)}${counted}, so look whether it is on and reaches this server`;
}

function spanOf(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 2 * 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 2 * 86_400) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
