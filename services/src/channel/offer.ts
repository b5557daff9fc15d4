import type { Standing } from "../standing.ts";

/** What is known of the head of a channel for one target. */
export interface HeadFacts {
  /** 0: nothing was published. */
  readonly headRevision: bigint;
  /** Whether the whole channel is held back. */
  readonly paused: boolean;
  /**
   * The newest manifest for the target up to the head, and for a pinned device up
   * to its pin. Undefined: there is none.
   */
  readonly manifest: ManifestFacts | undefined;
}

/** A manifest as far as an offer of it goes. */
export interface ManifestFacts {
  readonly revision: bigint;
  readonly payloadSha256: Uint8Array;
  readonly system: string;
  /** Whether the rollout of its release is held back. */
  readonly rolloutPaused: boolean;
}

/** Who asks, without having said who it is. */
export interface AskedFacts {
  readonly channel: string;
  readonly target: string;
  /** Highest revision that was verified. */
  readonly floorRevision: bigint;
}

/** What is known of the device that is to be offered something; what it reports are claims. */
export interface DeviceFacts extends AskedFacts {
  readonly standing: Standing;
  /** Its kind of machine; empty: not reported. */
  readonly system: string;
  readonly committedRevision: bigint;
  readonly quarantinedRevisions: readonly bigint[];
  /** Revision an operator wishes it to try once more; 0: none. */
  readonly retryRevision: bigint;
  /**
   * Revision an operator pinned it to; 0: none. To the device the pin is the head
   * of the channel: below it, it is offered what leads there; on it, it stays;
   * above it, it stays where it is, for no device goes below its floor.
   */
  readonly pinnedRevision: bigint;
}

/** Why nothing is offered: the contract's HoldReason, as far as it can arise here. */
export type HoldKind =
  | "NO_RELEASE"
  | "PAUSED"
  | "NO_MANIFEST_FOR_TARGET"
  | "PINNED"
  | "QUARANTINED"
  | "NOT_ENROLLED"
  | "SERVER_BEHIND"
  | "WRONG_SYSTEM"
  | "UP_TO_DATE";

export type HoldDecision = {
  readonly kind: "hold";
  readonly reason: HoldKind;
  /** Cause and, where there is one, remedy. */
  readonly explanation: string;
};

/** What a device is told about the head of its channel. */
export type OfferDecision =
  | { readonly kind: "offer"; readonly revision: bigint; readonly payloadSha256: Uint8Array }
  | HoldDecision;

/** What anybody may be shown. */
export type ShownDecision =
  | { readonly kind: "shown"; readonly manifest: ManifestFacts }
  | HoldDecision;

/**
 * Decides what a device is offered: the newest manifest for its target or
 * nothing, never one before it. Whoever comes late gets the head, and a newest
 * release that is held back is not replaced by an older one.
 *
 * The first reason that applies is told, causes on the server before those on
 * the device.
 *
 * @param head undefined: there is no such channel.
 */
export function offer(device: DeviceFacts, head: HeadFacts | undefined): OfferDecision {
  const known = head ?? NO_CHANNEL;
  const { manifest } = known;
  const held =
    notEnrolled(device) ??
    serverBehind(device, known) ??
    noRelease(device, known) ??
    settled(device, known) ??
    channelPaused(device, known) ??
    nothingUpToPin(device, known) ??
    noManifest(device, known) ??
    rolloutPaused(device, known) ??
    belowFloor(device, known) ??
    wrongSystem(device, known) ??
    quarantined(device, known);
  if (held !== undefined) return held;
  if (manifest === undefined) return unpublished(device);
  return { kind: "offer", revision: manifest.revision, payloadSha256: manifest.payloadSha256 };
}

/** The manifest that anybody who may read the channel is shown, or why there is none. */
export function newestFor(asked: AskedFacts, head: HeadFacts | undefined): ShownDecision {
  const known = head ?? NO_CHANNEL;
  const held =
    serverBehind(asked, known) ??
    noRelease(asked, known) ??
    channelPaused(asked, known) ??
    noManifest(asked, known);
  if (held !== undefined) return held;
  const { manifest } = known;
  return manifest === undefined ? unpublished(asked) : { kind: "shown", manifest };
}

/**
 * The manifest that a device is shown whose reports say nothing: one that may not
 * report, for a signed manifest may be its cure, and one that has it already, for
 * it may have lost its state. What is held back is held back from them as well.
 */
export function shownTo(asked: AskedFacts, head: HeadFacts | undefined): ShownDecision {
  const newest = newestFor(asked, head);
  if (newest.kind === "hold") return newest;
  return rolloutPaused(asked, head ?? NO_CHANNEL) ?? newest;
}

/**
 * The device at the place that it tells of, which may be newer than what is
 * stored. Revisions of another channel say nothing about this one, nor do wishes
 * about them; those committed or failed for another target neither.
 */
export function factsAt(stored: DeviceFacts, told: AskedFacts): DeviceFacts {
  const stays = stored.channel === told.channel;
  const same = stays && stored.target === told.target;
  return {
    ...stored,
    ...told,
    ...(same ? {} : { committedRevision: 0n, quarantinedRevisions: [] }),
    ...(stays ? {} : { retryRevision: 0n, pinnedRevision: 0n }),
  };
}

const NO_CHANNEL: HeadFacts = { headRevision: 0n, paused: false, manifest: undefined };

function notEnrolled({ standing }: DeviceFacts): HoldDecision | undefined {
  switch (standing) {
    case "accepted":
      return undefined;
    case "pending":
      return hold(
        "NOT_ENROLLED",
        "the device waits for approval; accept it with `nix-ota device approve`",
      );
    case "rejected":
      return hold(
        "NOT_ENROLLED",
        "an operator turned the device away; `nix-ota device approve` takes it in",
      );
    case "revoked":
      return hold(
        "NOT_ENROLLED",
        "an operator ended the access of the device; `nix-ota device approve` takes it in again",
      );
  }
}

function serverBehind(asked: AskedFacts, head: HeadFacts): HoldDecision | undefined {
  const { channel, floorRevision } = asked;
  if (floorRevision <= head.headRevision) return undefined;
  return hold(
    "SERVER_BEHIND",
    `the device verified r${floorRevision} of ${channel}, this server has r${head.headRevision}; it was restored from an older backup, so an admin runs \`nix-ota channel recover ${channel}\``,
  );
}

function noRelease(asked: AskedFacts, head: HeadFacts): HoldDecision | undefined {
  return head.headRevision === 0n ? unpublished(asked) : undefined;
}

/** It has what it would be offered, or what it would be offered is older than what it has. */
function settled(device: DeviceFacts, head: HeadFacts): HoldDecision | undefined {
  const { committedRevision: committed, channel } = device;
  const newest = head.manifest?.revision;
  if (newest === undefined || committed < newest) return undefined;
  if (isHeldByPin(device, head)) {
    const stays =
      committed > device.pinnedRevision
        ? `has r${committed}, below which it does not go`
        : `stays on r${committed}`;
    return hold("PINNED", `the device ${pinOf(device)} and ${stays}; ${LIFT}`);
  }
  if (committed === newest) return hold("UP_TO_DATE", `the device has r${newest} of ${channel}`);
  return hold(
    "UP_TO_DATE",
    `the device has r${committed} of ${channel}, and the newest for ${targetOf(device)} is r${newest}`,
  );
}

function channelPaused({ channel }: AskedFacts, head: HeadFacts): HoldDecision | undefined {
  if (!head.paused) return undefined;
  return hold(
    "PAUSED",
    `channel ${channel} is paused; \`nix-ota channel resume ${channel}\` lets it offer again`,
  );
}

function nothingUpToPin(device: DeviceFacts, head: HeadFacts): HoldDecision | undefined {
  if (head.manifest !== undefined || !isHeldByPin(device, head)) return undefined;
  return hold(
    "PINNED",
    `the device ${pinOf(device)}, up to which no release has a manifest for ${targetOf(device)}; ${LIFT}`,
  );
}

function noManifest(asked: AskedFacts, head: HeadFacts): HoldDecision | undefined {
  if (head.manifest !== undefined) return undefined;
  return hold(
    "NO_MANIFEST_FOR_TARGET",
    `no release of ${asked.channel} has a manifest for ${targetOf(asked)}; publish one`,
  );
}

function rolloutPaused({ channel }: AskedFacts, head: HeadFacts): HoldDecision | undefined {
  if (head.manifest?.rolloutPaused !== true) return undefined;
  return hold(
    "PAUSED",
    `the rollout of r${head.manifest.revision} of ${channel} is paused; \`nix-ota rollout resume ${channel}\` lets it go on`,
  );
}

/** Its gate would refuse the manifest as a replay. */
function belowFloor(device: DeviceFacts, head: HeadFacts): HoldDecision | undefined {
  const { channel, floorRevision } = device;
  const newest = head.manifest?.revision;
  if (newest === undefined || floorRevision <= newest) return undefined;
  if (isHeldByPin(device, head)) {
    return hold(
      "PINNED",
      `the device ${pinOf(device)} and verified r${floorRevision}, below which it takes nothing; ${LIFT}`,
    );
  }
  return hold(
    "NO_MANIFEST_FOR_TARGET",
    `the newest manifest for ${targetOf(device)} is r${newest} of ${channel}, below r${floorRevision} that the device verified; publish one above it`,
  );
}

function wrongSystem(device: DeviceFacts, head: HeadFacts): HoldDecision | undefined {
  const { manifest } = head;
  if (manifest === undefined || device.system === "" || device.system === manifest.system) {
    return undefined;
  }
  return hold(
    "WRONG_SYSTEM",
    `r${manifest.revision} of ${device.channel} is for ${manifest.system}, the device is ${device.system}; publish one for it, or give it a target of its own`,
  );
}

function quarantined(device: DeviceFacts, head: HeadFacts): HoldDecision | undefined {
  const newest = head.manifest?.revision;
  if (newest === undefined || !device.quarantinedRevisions.includes(newest)) return undefined;
  if (device.retryRevision === newest) return undefined;
  return hold(
    "QUARANTINED",
    `r${newest} of ${device.channel} failed on the device, which does not try it again by itself; publish a higher revision, or have it tried once more with \`nix-ota device retry\``,
  );
}

const LIFT = "`nix-ota device unpin` lifts the pin";

/** Whether the pin keeps it from what the channel's other devices are offered. */
function isHeldByPin({ pinnedRevision }: DeviceFacts, { headRevision }: HeadFacts): boolean {
  return pinnedRevision > 0n && pinnedRevision < headRevision;
}

function pinOf({ pinnedRevision, channel }: DeviceFacts): string {
  return `is pinned to r${pinnedRevision} of ${channel}`;
}

function unpublished({ channel }: AskedFacts): HoldDecision {
  return hold(
    "NO_RELEASE",
    `nothing is published on ${channel}; publish a release with \`nix-ota publish\``,
  );
}

function hold(reason: HoldKind, explanation: string): HoldDecision {
  return { kind: "hold", reason, explanation };
}

function targetOf({ target }: AskedFacts): string {
  return target === "" ? "devices without a target" : `target ${target}`;
}
