import { isSoundPublicKey } from "@nix-ota/proto/ed25519";

import type { Standing } from "../standing.ts";

/** Which devices: those named, or those that a filter finds. */
export type Selection<Filter> =
  | { readonly kind: "named"; readonly ids: readonly string[] }
  | { readonly kind: "found"; readonly filter: Filter };

/** What is to become of a device; a field that is undefined stays as it is. */
export interface DeviceChange {
  readonly addTags: readonly string[];
  readonly removeTags: readonly string[];
  /** 0: none. */
  readonly pinnedRevision: bigint | undefined;
  readonly retryRevision: bigint | undefined;
  readonly standing: Standing | undefined;
  /** Starts the next key epoch, unless the device has it; ends a conflict in either case. */
  readonly publicKey: Uint8Array | undefined;
}

/** A change, or that all is forgotten. */
export type DeviceOrder =
  | { readonly kind: "change"; readonly change: DeviceChange }
  | { readonly kind: "forget" };

/** Tags that one device has at most. */
export const MOST_TAGS = 64;

const MOST_REVISION = 2n ** 53n - 1n;

/** Whether it decides about a device's access, which is an admin's. */
export function needsAdmin(order: DeviceOrder): boolean {
  if (order.kind === "forget") return true;
  return order.change.standing !== undefined || order.change.publicKey !== undefined;
}

/** What is wrong with an order, with its remedy; undefined: nothing. */
export function problemWith(
  order: DeviceOrder,
  asked: { readonly change: DeviceChange; readonly isOneId: boolean },
): string | undefined {
  const { addTags, removeTags, pinnedRevision, retryRevision, publicKey } = asked.change;
  const changes = changesSomething(asked.change);
  if (order.kind === "forget") {
    return changes ? "a device that is forgotten cannot be changed as well" : undefined;
  }
  if (!changes) return "nothing is asked to be changed; say what, or forget the devices";
  const both = addTags.find((tag) => removeTags.includes(tag));
  if (both !== undefined) return `the tag ${both} cannot be added and removed at once`;
  for (const revision of [pinnedRevision, retryRevision]) {
    if (revision !== undefined && revision > MOST_REVISION) {
      return `r${revision} is above the highest revision, r${MOST_REVISION}`;
    }
  }
  if (publicKey === undefined) return undefined;
  if (!asked.isOneId) return "a key can be replaced for one named device at a time";
  return isSoundPublicKey(publicKey)
    ? undefined
    : "the key is not a sound ed25519 public key of 32 bytes";
}

function changesSomething(change: DeviceChange): boolean {
  const { addTags, removeTags, pinnedRevision, retryRevision, standing, publicKey } = change;
  if (addTags.length + removeTags.length > 0) return true;
  return [pinnedRevision, retryRevision, standing, publicKey].some((field) => field !== undefined);
}
