import { sameBytes } from "@nix-ota/proto/bytes";

import type { Standing } from "../standing.ts";

/** What a device that presents its key is told. */
export type EnrolmentDecision =
  /** The id is new: its key is pinned. */
  | { readonly kind: "pin"; readonly standing: "accepted" | "pending" }
  /** The id is pinned to this key already. */
  | { readonly kind: "known"; readonly standing: Standing; readonly keyEpoch: number }
  /** The id is pinned to another key. */
  | { readonly kind: "conflict" }
  /** An operator ended or refused its access. */
  | { readonly kind: "revoked" }
  /** The channel takes no unknown device this way. */
  | { readonly kind: "closed" };

/**
 * Decides about a device that proved to hold `publicKey`. A pinned key is never
 * replaced here, under whatever mode: who comes second with an id is refused.
 *
 * @param device What is stored under the id; undefined: nothing.
 * @param mode How the channel takes unknown devices.
 */
export function decideEnrolment(
  publicKey: Uint8Array,
  device:
    | {
        readonly publicKey: Uint8Array;
        readonly standing: Standing;
        readonly keyEpoch: number;
      }
    | undefined,
  mode: "open" | "token" | "approve",
): EnrolmentDecision {
  if (device === undefined) {
    if (mode === "token") return { kind: "closed" };
    return { kind: "pin", standing: mode === "open" ? "accepted" : "pending" };
  }
  if (!sameBytes(device.publicKey, publicKey)) return { kind: "conflict" };
  const { standing, keyEpoch } = device;
  if (standing === "revoked" || standing === "rejected") return { kind: "revoked" };
  return { kind: "known", standing, keyEpoch };
}
