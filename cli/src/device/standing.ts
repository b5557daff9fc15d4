import {
  AgentState,
  AgentStateSchema,
  DeviceStanding,
  DeviceStandingSchema,
  FailureCodeSchema,
  Outcome,
  OutcomeSchema,
  type Attempt,
  type Device,
} from "@nix-ota/proto/nixota/v1/device_pb";
import { RejectCodeSchema } from "@nix-ota/proto/nixota/v1/manifest_pb";

import { revisionText } from "../amounts.ts";
import { enumText } from "../enum-text.ts";

/** How worried a person should be. */
export type Mood = "good" | "busy" | "bad" | "plain";

/** Where a device stands, by the names that `--json` and filters have. */
export function deviceMood(device: Device): { text: string; mood: Mood } {
  if (device.standing > DeviceStanding.ACCEPTED)
    return { text: enumText(DeviceStandingSchema, device.standing), mood: "bad" };
  if (device.cloned) return { text: "cloned", mood: "bad" };
  switch (device.state) {
    case AgentState.UNSPECIFIED:
      return { text: "never reported", mood: "plain" };
    case AgentState.IDLE:
      return { text: "idle", mood: "plain" };
    case AgentState.STUCK:
      return { text: "stuck", mood: "bad" };
    case AgentState.ROLLING_BACK:
      return { text: "rolling_back", mood: "bad" };
    default:
      return { text: enumText(AgentStateSchema, device.state), mood: "busy" };
  }
}

/** What the last attempt came to: `r3 rolled_back: health_failed`. */
export function attemptText(attempt: Attempt | undefined): { text: string; mood: Mood } {
  if (attempt === undefined || attempt.revision === 0n) return { text: "–", mood: "plain" };
  const name = revisionText(attempt.revision);
  if (attempt.outcome === Outcome.UNSPECIFIED) return { text: `${name} under way`, mood: "busy" };
  const ended = `${name} ${enumText(OutcomeSchema, attempt.outcome)}`;
  if (attempt.outcome === Outcome.APPLIED) return { text: ended, mood: "good" };
  const why =
    enumText(RejectCodeSchema, attempt.rejectCode) ||
    enumText(FailureCodeSchema, attempt.failureCode);
  const mood = attempt.outcome === Outcome.SUPERSEDED ? "plain" : "bad";
  return { text: why === "" ? ended : `${ended}: ${why}`, mood };
}

/** What operators and devices want known beside the state: `key conflict, pin r41, not r39`. */
export function deviceNotes(device: Device): string {
  const { attempt, pinnedRevision, quarantinedRevisions, retryRevision } = device;
  // Said by the last attempt already.
  const quarantined = quarantinedRevisions.filter((revision) => revision !== attempt?.revision);
  return [
    ...(device.keyConflictAt === undefined ? [] : ["key conflict"]),
    ...(pinnedRevision === 0n ? [] : [`pin ${revisionText(pinnedRevision)}`]),
    ...(retryRevision === 0n ? [] : [`retry ${revisionText(retryRevision)}`]),
    ...(quarantined.length === 0 ? [] : [`not ${quarantined.map(revisionText).join(", ")}`]),
  ].join(", ");
}
