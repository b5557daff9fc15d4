import type { Standing } from "../standing.ts";

/** What is known of the head of a channel for one target. */
export interface HeadFacts {
  /** 0: nothing was published. */
  readonly headRevision: bigint;
  readonly paused: boolean;
  /** The newest manifest for the target up to the head. */
  readonly manifest:
    | { readonly revision: bigint; readonly payloadSha256: Uint8Array; readonly system: string }
    | undefined;
}

/** What is known of the device that is to be offered something; what it reports are claims. */
export interface DeviceFacts {
  readonly channel: string;
  readonly target: string;
  readonly standing: Standing;
  /** Its kind of machine; empty: not reported. */
  readonly system: string;
  readonly floorRevision: bigint;
  readonly committedRevision: bigint;
  readonly quarantinedRevisions: readonly bigint[];
  /** Revision an operator wishes it to try once more; 0: none. */
  readonly retryRevision: bigint;
}

/** Why nothing is offered: the contract's HoldReason, as far as it can arise here. */
export type HoldKind =
  | "NO_RELEASE"
  | "PAUSED"
  | "NO_MANIFEST_FOR_TARGET"
  | "QUARANTINED"
  | "NOT_ENROLLED"
  | "SERVER_BEHIND"
  | "WRONG_SYSTEM"
  | "UP_TO_DATE";

/** What a device is told about the head of its channel. */
export type OfferDecision =
  | { readonly kind: "offer"; readonly revision: bigint; readonly payloadSha256: Uint8Array }
  | { readonly kind: "hold"; readonly reason: HoldKind; readonly explanation: string };

/**
 * Decides what a device is offered. The first reason that applies is told,
 * causes on the server before those on the device.
 *
 * @param head undefined: there is no such channel.
 */
export function offer(device: DeviceFacts, head: HeadFacts | undefined): OfferDecision {
  const { channel } = device;
  if (device.standing !== "accepted") {
    return hold("NOT_ENROLLED", `the device is ${device.standing}; an operator has to accept it`);
  }
  const newest = newestFor(device, head);
  if (newest.kind === "hold") return newest;
  const { manifest } = newest;
  const name = `r${manifest.revision} of ${channel}`;
  if (device.committedRevision >= manifest.revision) {
    return hold("UP_TO_DATE", `the device has ${name}`);
  }
  // Its gate would refuse the manifest as a replay.
  if (device.floorRevision > manifest.revision) {
    return hold(
      "NO_MANIFEST_FOR_TARGET",
      `the newest manifest for ${targetOf(device)} is ${name}, below r${device.floorRevision} that the device verified; publish one above it`,
    );
  }
  if (device.system !== "" && device.system !== manifest.system) {
    return hold(
      "WRONG_SYSTEM",
      `${name} is for ${manifest.system}, the device is ${device.system}`,
    );
  }
  if (
    device.quarantinedRevisions.includes(manifest.revision) &&
    device.retryRevision !== manifest.revision
  ) {
    return hold(
      "QUARANTINED",
      `${name} failed on the device, which does not try it again by itself; publish a higher revision`,
    );
  }
  return { kind: "offer", revision: manifest.revision, payloadSha256: manifest.payloadSha256 };
}

/** The manifest that anybody on the channel is shown, or why there is none. */
export function newestFor(
  device: Pick<DeviceFacts, "channel" | "target" | "floorRevision">,
  head: HeadFacts | undefined,
):
  | { readonly kind: "newest"; readonly manifest: NonNullable<HeadFacts["manifest"]> }
  | (OfferDecision & { readonly kind: "hold" }) {
  const { channel } = device;
  if (device.floorRevision > (head?.headRevision ?? 0n)) {
    return hold(
      "SERVER_BEHIND",
      `the device verified r${device.floorRevision} of ${channel}, this server has r${head?.headRevision ?? 0n}; it was restored from an older backup`,
    );
  }
  if (head === undefined || head.headRevision === 0n) {
    return hold("NO_RELEASE", `nothing is published on ${channel}`);
  }
  if (head.paused) return hold("PAUSED", `channel ${channel} is paused`);
  if (head.manifest === undefined) {
    return hold(
      "NO_MANIFEST_FOR_TARGET",
      `no release of ${channel} has a manifest for ${targetOf(device)}`,
    );
  }
  return { kind: "newest", manifest: head.manifest };
}

function hold(reason: HoldKind, explanation: string): OfferDecision & { readonly kind: "hold" } {
  return { kind: "hold", reason, explanation };
}

function targetOf({ target }: Pick<DeviceFacts, "target">): string {
  return target === "" ? "devices without a target" : `target ${target}`;
}
