import { sameBytes } from "@nix-ota/proto/bytes";

/** A manifest by what makes it one: its target and payload. */
export interface ManifestIdentity {
  readonly target: string;
  readonly payloadSha256: Uint8Array;
}

/** What is to become of a publish whose revision did not become the head. */
export type PublishDecision =
  /** The very payloads are published: fine, signatures are united. */
  | { readonly kind: "repeat" }
  /** The revision is used, by another payload or other targets. */
  | { readonly kind: "taken"; readonly target: string }
  /** The revision was passed over. */
  | { readonly kind: "stale" };

/**
 * Decides about a publish at or below the head of its channel.
 *
 * A release is atomic: a repeat may bring some of its manifests (an answer was
 * lost, a signature is added), but a target that the release does not have is
 * refused, for devices of that target may have been told already that the
 * release holds nothing for them.
 *
 * @param published The manifests stored under the revision; empty: none.
 */
export function decidePublish(
  brought: readonly ManifestIdentity[],
  published: readonly ManifestIdentity[],
): PublishDecision {
  if (published.length === 0) return { kind: "stale" };
  const stored = new Map(published.map(({ target, payloadSha256 }) => [target, payloadSha256]));
  for (const { target, payloadSha256 } of brought) {
    const before = stored.get(target);
    if (before === undefined || !sameBytes(before, payloadSha256)) return { kind: "taken", target };
  }
  return { kind: "repeat" };
}
