/** Whether an agent would take the very release that its closure came with. Pure. */
import { UNCHECKED, openManifest } from "@nix-ota/proto";
import type { Policy, RejectCodeName } from "@nix-ota/proto";
import { judgePayload } from "@nix-ota/proto/gate";
import type { Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { REJECT_REMEDY } from "@nix-ota/proto/remedy";
import { decodeEnvelope } from "@nix-ota/proto/signed-manifest";

/** What an agent lets through its gate. */
export type OwnGate = Pick<
  Policy,
  "publicKeys" | "threshold" | "agentLevel" | "fleet" | "target" | "system"
> & { readonly channel: string };

/**
 * Puts a release through an agent's own gate. Whoever would refuse it would refuse those that follow
 * it as well: the next one comes from the same hands. Only what the release is signed with excuses a
 * difference: `allow_key_change` other keys, `next_channel` that channel.
 *
 * Neither the time nor what the device had before is looked at, nor caches: each release names its own.
 *
 * @param envelope authentic: the device's own gate let it through.
 * @returns the sentence why not, with the remedy; undefined: it would.
 */
export function refusalOfOwnRelease(envelope: Uint8Array, gate: OwnGate): string | undefined {
  const decoded = decodeEnvelope(envelope);
  if (!decoded.ok) return sentence(decoded.code, decoded.message);
  const policy: Policy = {
    ...gate,
    channel: UNCHECKED,
    substituters: UNCHECKED,
    trustedTimeS: UNCHECKED,
    floor: UNCHECKED,
    quarantine: UNCHECKED,
  };
  const judged = judgePayload(decoded.envelope.payload, policy);
  if (!judged.ok) return sentence(judged.code, judged.message);
  const { manifest } = judged;
  const wrongChannel = channelProblem(manifest, gate.channel);
  if (wrongChannel !== undefined) return wrongChannel;
  if (manifest.allowKeyChange) return undefined;
  const opened = openManifest(envelope, policy);
  return opened.ok ? undefined : sentence(opened.code, opened.message);
}

function channelProblem(manifest: Manifest, channel: string): string | undefined {
  const { nextChannel } = manifest;
  if (channel === manifest.channel || (nextChannel !== "" && channel === nextChannel))
    return undefined;
  const followed = channel === "" ? "none" : channel;
  return `the manifest is for channel ${manifest.channel}, not ${followed}; build it for ${manifest.channel}, or publish with --next-channel CHANNEL`;
}

/** What helps where the closure, and not the manifest, is what came out wrong. */
const REMEDY: Partial<Readonly<Record<RejectCodeName, string>>> = {
  BAD_SIGNATURE:
    "let a key sign it that the closure pins (during a rotation the old and the new one), or publish with --allow-key-change",
  THRESHOLD:
    "let as many of the keys sign it that the closure pins, or publish with --allow-key-change",
  WRONG_FLEET:
    "build it for the fleet of the manifest, or publish with --fleet for that of the closure",
  WRONG_TARGET:
    "build it for the target of the manifest; to give a device another target, switch it by hand",
  WRONG_SYSTEM: "build it for this kind of machine",
  UNSUPPORTED: "build it with a later version of the agent",
  MALFORMED: "build it with a later version of the agent",
};

const sentence = (code: RejectCodeName, message: string): string =>
  `${message}; ${REMEDY[code] ?? REJECT_REMEDY[code]}`;
