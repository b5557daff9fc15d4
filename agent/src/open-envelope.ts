/** The gate as this device uses it: every field of the policy is given. */
import { UNCHECKED, openManifest } from "@nix-ota/proto";
import type { Policy, Verdict } from "@nix-ota/proto";
import { AGENT_LEVEL } from "@nix-ota/proto/agent-level";
import { fromHex } from "@nix-ota/proto/hash";

import type { Config } from "./config.ts";
import type { Trust } from "./trust.ts";
import { certainTimeS, certainlyExpired } from "./trusted-time.ts";
import type { TimeSources } from "./trusted-time.ts";

export type DeviceFacts = Pick<
  Config,
  | "publicKeys"
  | "threshold"
  | "fleet"
  | "channel"
  | "target"
  | "allowInsecureCache"
  | "allowedSubstituters"
> & { readonly system: string };

/** Judges an envelope for this device at this moment. */
export function openEnvelope(
  envelope: Uint8Array,
  device: DeviceFacts,
  trust: Trust,
  time: TimeSources,
): Verdict {
  const verdict = openManifest(envelope, policyOf(device, trust, time));
  if (!verdict.ok) return verdict;
  const expired = certainlyExpired(verdict.manifest.notAfterS, time);
  return expired === undefined ? verdict : { ok: false, ...expired };
}

function policyOf(device: DeviceFacts, trust: Trust, time: TimeSources): Policy {
  const floor = trust.channels[device.channel]?.floor;
  const allowed = device.allowedSubstituters;
  return {
    publicKeys: device.publicKeys,
    threshold: device.threshold,
    agentLevel: AGENT_LEVEL,
    fleet: device.fleet,
    channel: device.channel,
    target: device.target,
    system: device.system,
    substituters: {
      allowHttp: device.allowInsecureCache,
      // A directory is trusted only where the device names it.
      allowFile: allowed?.some((url) => url.startsWith("file://")) === true,
      allowed: allowed ?? "any",
    },
    // Without a clock "signed in the future" cannot be told from "the clock is slow".
    trustedTimeS: time.synchronized ? BigInt(certainTimeS(time)) : UNCHECKED,
    floor: ref(floor?.revision ?? 0, floor?.payloadSha256 ?? ""),
    quarantine: trust.quarantine
      .filter(({ channel }) => channel === device.channel)
      .map(({ revision, payloadSha256 }) => ref(revision, payloadSha256)),
  };
}

const ref = (revision: number, payloadSha256: string) => ({
  revision: BigInt(revision),
  payloadSha256: fromHex(payloadSha256) ?? new Uint8Array(),
});
