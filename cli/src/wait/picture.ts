import type { Device } from "@nix-ota/proto/nixota/v1/device_pb";
import type { ReleaseOutcomes } from "@nix-ota/proto/nixota/v1/release_pb";

import { momentMs } from "../moment.ts";
import { safeText } from "../terminal-text.ts";
import { deviceProgress, type AwaitedRelease } from "./device-progress.ts";

/** How the devices of a release stand. */
export interface Picture {
  healthy: number;
  busy: number;
  failed: number;
  /** Have not begun and have been seen. */
  outstanding: number;
  /** Have not begun and were not seen since before the waiting began. */
  offline: number;
  /** Are not to take it. */
  leftOut: number;
  /** Said nothing in time after they were offered it: failures, and counted nowhere else. */
  silent: number;
  /** Those that failed, with the reason; empty where the token may not read devices. */
  failures: readonly Failure[];
}

/** A device on which a release failed. */
export interface Failure {
  deviceId: string;
  why: string;
}

/** When a device counts as offline: not seen since. */
export type OfflineSince = number;

/** The picture from the devices themselves. */
export function pictureOf(
  devices: readonly Device[],
  release: AwaitedRelease,
  outcomes: ReleaseOutcomes | undefined,
  seenBeforeMs: OfflineSince,
): Picture {
  const picture = { healthy: 0, busy: 0, failed: 0, outstanding: 0, offline: 0, leftOut: 0 };
  const failures: Failure[] = [];
  for (const device of devices) {
    const progress = deviceProgress(device, release);
    switch (progress.kind) {
      case "healthy":
      case "busy":
        picture[progress.kind] += 1;
        break;
      case "left-out":
        picture.leftOut += 1;
        break;
      case "failed":
        picture.failed += 1;
        failures.push({ deviceId: safeText(device.id), why: progress.why });
        break;
      case "outstanding":
        picture[(momentMs(device.lastSeenAt) ?? 0) < seenBeforeMs ? "offline" : "outstanding"] += 1;
    }
  }
  return withSilent({ ...picture, silent: 0, failures }, outcomes);
}

/** The picture from the server's counts alone, for a token that may not read devices. */
export function pictureOfCounts(outcomes: ReleaseOutcomes | undefined): Picture {
  return {
    healthy: Number(outcomes?.applied ?? 0n),
    busy: Number(outcomes?.inProgress ?? 0n),
    failed: Number((outcomes?.rolledBack ?? 0n) + (outcomes?.failed ?? 0n)),
    outstanding: Number(outcomes?.outstanding ?? 0n),
    offline: 0,
    leftOut: 0,
    silent: Number(outcomes?.silent ?? 0n),
    failures: [],
  };
}

/** Which devices fell silent, only the server knows: by the devices alone they are still at it. */
function withSilent(picture: Picture, outcomes: ReleaseOutcomes | undefined): Picture {
  const silent = Math.min(
    Number(outcomes?.silent ?? 0n),
    picture.busy + picture.outstanding + picture.offline,
  );
  let rest = silent;
  const take = (count: number): number => {
    const taken = Math.min(count, rest);
    rest -= taken;
    return count - taken;
  };
  const offline = take(picture.offline);
  const outstanding = take(picture.outstanding);
  return { ...picture, offline, outstanding, busy: take(picture.busy), silent };
}

/** Devices that are to take the release. */
export function expectedCount(picture: Picture): number {
  const { healthy, busy, failed, outstanding, offline, silent } = picture;
  return healthy + busy + failed + outstanding + offline + silent;
}
