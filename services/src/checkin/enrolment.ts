import { sameBytes } from "@nix-ota/proto/bytes";

import type { EnrolmentMode } from "../enrolment-mode.ts";
import type { Standing } from "../standing.ts";

/** How a device came: openly, to be approved, or by an enrolment token of that id. */
export type EnrolledBy = "open" | "approve" | `token:${string}`;

/** What a device that presents its key is told. */
export type EnrolmentDecision =
  /** The id is new: its key is pinned. */
  | { readonly kind: "pin"; readonly standing: "accepted" | "pending"; readonly by: EnrolledBy }
  /** The id is pinned to this key already. */
  | { readonly kind: "known"; readonly standing: Standing; readonly keyEpoch: number }
  /** The id is pinned to another key. */
  | { readonly kind: "conflict" }
  /** An operator ended or refused its access. */
  | { readonly kind: "revoked" }
  /** The channel takes no unknown device this way. */
  | { readonly kind: "closed" };

/** What is stored under an id. */
export interface HeldId {
  readonly publicKey: Uint8Array;
  readonly standing: Standing;
  readonly keyEpoch: number;
}

/**
 * Decides about a device that proved to hold `publicKey`. A pinned key is never
 * replaced here, by whatever mode or token: who comes second with an id is
 * refused. A token never takes an operator's place where one has to approve.
 *
 * @param held What is stored under the id; undefined: nothing.
 * @param way How the channel takes unknown devices, and the id of the
 *   enrolment token that the device brought, if it is good for the channel.
 */
export function decideEnrolment(
  publicKey: Uint8Array,
  held: HeldId | undefined,
  way: { readonly mode: EnrolmentMode; readonly goodTokenId: string | undefined },
): EnrolmentDecision {
  if (held === undefined) return pinOrClosed(way);
  if (!sameBytes(held.publicKey, publicKey)) return { kind: "conflict" };
  const { standing, keyEpoch } = held;
  if (standing === "revoked" || standing === "rejected") return { kind: "revoked" };
  return { kind: "known", standing, keyEpoch };
}

function pinOrClosed({
  mode,
  goodTokenId,
}: Parameters<typeof decideEnrolment>[2]): EnrolmentDecision {
  if (mode === "token" && goodTokenId === undefined) return { kind: "closed" };
  const standing = mode === "approve" ? "pending" : "accepted";
  if (goodTokenId !== undefined) return { kind: "pin", standing, by: `token:${goodTokenId}` };
  return { kind: "pin", standing, by: mode === "approve" ? "approve" : "open" };
}
