import { openManifest, UNCHECKED } from "@nix-ota/proto";
import { isId } from "@nix-ota/proto/ids";
import type { Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { ManifestSchema } from "@nix-ota/proto/nixota/v1/manifest_pb";
import type { RejectCodeName } from "@nix-ota/proto/reject-code";
import { decodeEnvelope } from "@nix-ota/proto/signed-manifest";
import { strictParse } from "@nix-ota/proto/strict-parse";
import { ANY_SUBSTITUTER } from "@nix-ota/proto/substituter-url";

import { OtaError } from "../ota-error.ts";
import type { ChannelKeys } from "./channel-keys.ts";

/** A manifest that passed the gate under a channel's keys. */
export interface VerifiedManifest {
  readonly manifest: Manifest;
  readonly envelope: Uint8Array;
  readonly payloadSha256: Uint8Array;
  /** The channel's keys that signed it. */
  readonly signedBy: readonly Uint8Array[];
}

/**
 * The channel that an envelope claims, so that its keys can be looked up.
 * Nothing is verified. What cannot be read is refused here, by the gate's codes:
 * without a channel there are no keys that the gate could judge by.
 */
export function claimedChannel(envelope: Uint8Array): string | Refused {
  const decoded = decodeEnvelope(envelope);
  if (!decoded.ok) return decoded;
  const parsed = strictParse(ManifestSchema, decoded.envelope.payload, { toleratedFrom: 64 });
  if (!parsed.ok) return { code: "MALFORMED", message: parsed.why };
  const { channel } = parsed.message;
  return isId(channel) ? channel : { code: "MALFORMED", message: "the manifest names no channel" };
}

/**
 * Opens an envelope by the gate that devices use, as far as a server can judge:
 * fleet, system, target, floor and the device's own rules are the device's.
 *
 * @throws {OtaError} MANIFEST_REJECTED with the gate's code.
 */
export function verifyManifest(
  envelope: Uint8Array,
  expected: { readonly channel: string; readonly keys: ChannelKeys; readonly nowS: bigint },
): VerifiedManifest {
  const { nowS: trustedTimeS, ...signed } = expected;
  const opened = open(envelope, { ...signed, trustedTimeS });
  if (!("code" in opened)) return opened;
  throw rejected(opened);
}

/** What the caller is told of a refusal. */
export function rejected({ code, message }: Refused): OtaError {
  return new OtaError("MANIFEST_REJECTED", message, { details: { rejectCode: code } });
}

/**
 * Opens an envelope that a device returned. It may have expired since it was
 * published: it is wanted for its revision, which devices have verified, and
 * whether it may still be applied is for each device to judge.
 */
export function verifyReturned(
  envelope: Uint8Array,
  expected: { readonly channel: string; readonly keys: ChannelKeys },
): VerifiedManifest | Refused {
  return open(envelope, { ...expected, trustedTimeS: UNCHECKED });
}

/** What the gate refused, and by which check. */
export interface Refused {
  readonly code: RejectCodeName;
  readonly message: string;
}

function open(
  envelope: Uint8Array,
  expected: {
    readonly channel: string;
    readonly keys: ChannelKeys;
    readonly trustedTimeS: bigint | typeof UNCHECKED;
  },
): VerifiedManifest | Refused {
  const verdict = openManifest(envelope, {
    publicKeys: expected.keys.keys.map(({ publicKey }) => publicKey),
    threshold: expected.keys.threshold,
    channel: expected.channel,
    trustedTimeS: expected.trustedTimeS,
    substituters: ANY_SUBSTITUTER,
    agentLevel: UNCHECKED,
    fleet: UNCHECKED,
    target: UNCHECKED,
    system: UNCHECKED,
    floor: UNCHECKED,
    quarantine: UNCHECKED,
  });
  if (!verdict.ok) return { code: verdict.code, message: verdict.message };
  const { manifest, payloadSha256, signedBy } = verdict;
  return { manifest, envelope, payloadSha256, signedBy };
}

/**
 * That the manifests make one release: one revision, each target once.
 *
 * @throws {OtaError} MANIFEST_REJECTED otherwise.
 */
export function requireOneRelease(manifests: readonly VerifiedManifest[]): void {
  const revisions = new Set(manifests.map(({ manifest }) => manifest.revision));
  if (revisions.size > 1) {
    throw new OtaError(
      "MANIFEST_REJECTED",
      `a release has one revision, the manifests have ${[...revisions].map((one) => `r${one}`).join(", ")}`,
    );
  }
  const targets = new Set<string>();
  for (const { target } of manifests.map(({ manifest }) => manifest)) {
    if (targets.has(target)) {
      throw new OtaError("MANIFEST_REJECTED", `two manifests are for ${targetName(target)}`);
    }
    targets.add(target);
  }
}

/** The target for a sentence. */
export function targetName(target: string): string {
  return target === "" ? "devices without a target" : `target ${target}`;
}
