import {
  AgentState,
  DeviceStanding,
  Outcome,
  type Device,
} from "@nix-ota/proto/nixota/v1/device_pb";

import { attemptText } from "../device/standing.ts";
import { safeText } from "../terminal-text.ts";

/** The release that is waited for. */
export interface AwaitedRelease {
  channel: string;
  revision: bigint;
  targets: ReadonlySet<string>;
}

/** Where a device stands with a release. */
export type DeviceProgress =
  /** It proved the release, or a later one. */
  | { kind: "healthy" }
  | { kind: "failed"; why: string }
  /** It has begun. */
  | { kind: "busy" }
  | { kind: "outstanding" }
  /** It is not to take the release: another target, pinned, or not accepted. */
  | { kind: "left-out"; why: string };

/** Attempts that ended so count against the release; the others say nothing of it. */
const FAILURES: ReadonlySet<Outcome> = new Set([
  Outcome.ROLLED_BACK,
  Outcome.FAILED,
  Outcome.REJECTED,
]);

/** Reads it from what the server knows of the device. */
export function deviceProgress(device: Device, release: AwaitedRelease): DeviceProgress {
  const left = leftOut(device, release);
  if (left !== undefined) return { kind: "left-out", why: left };
  if (device.committedRevision >= release.revision) return { kind: "healthy" };
  const { attempt } = device;
  const tried = attempt?.channel === release.channel && attempt.revision === release.revision;
  const retries = device.retryRevision === release.revision;
  if (tried && attempt.outcome === Outcome.UNSPECIFIED) {
    if (device.state === AgentState.STUCK) return { kind: "failed", why: "stuck" };
    return { kind: "busy" };
  }
  if (retries) return { kind: "outstanding" };
  if (tried && FAILURES.has(attempt.outcome)) {
    const said = safeText(attempt.message, 200);
    const { text } = attemptText(attempt);
    return { kind: "failed", why: said === "" ? text : `${text}: ${said}` };
  }
  // It failed before, and the attempt that the server knows is another one.
  if (device.quarantinedRevisions.includes(release.revision))
    return { kind: "failed", why: "quarantined: it failed on the device before" };
  return { kind: "outstanding" };
}

function leftOut(device: Device, { revision, targets }: AwaitedRelease): string | undefined {
  if (!targets.has(device.target)) return "the release has nothing for its target";
  if (device.standing > DeviceStanding.ACCEPTED) return "not accepted";
  if (device.pinnedRevision !== 0n && device.pinnedRevision < revision) return "pinned";
  return undefined;
}
