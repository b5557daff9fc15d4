import { sameBytes } from "@nix-ota/proto/bytes";
import type { PublicKey } from "@nix-ota/proto/key-file";

import { isSameContent, type Content } from "./content.ts";
import type { Head, ProvenManifest } from "./head.ts";

/** Content that devices of a target have already. */
export interface Unchanged<P> {
  part: P;
  current: ProvenManifest;
}

/**
 * What there is to do for wanted contents. A target's devices follow its newest manifest at or below
 * the head, so that a release needs no manifest for a target whose content stays.
 */
export type Plan<P> =
  /** Devices have all of it, signed by all of the signers. */
  | { kind: "nothing"; unchanged: readonly Unchanged<P>[] }
  /** Devices have all of it; these are not signed by all of the signers. */
  | {
      kind: "add-signatures";
      unsigned: readonly Unchanged<P>[];
      unchanged: readonly Unchanged<P>[];
    }
  /** These differ, or are not signed by all of the signers. */
  | { kind: "release"; parts: readonly P[]; unchanged: readonly Unchanged<P>[] };

/**
 * Compares what is wanted with what devices follow.
 *
 * @param requested The revision that was asked for: under another one everything is published.
 */
export function planRelease<P extends { content: Content }>(
  parts: readonly P[],
  head: Head,
  signers: readonly PublicKey[],
  requested: bigint | undefined,
): Plan<P> {
  const compared = parts.map((part) => ({ part, current: sameCurrent(part, head, requested) }));
  const same = compared.flatMap(({ part, current }) => (current ? [{ part, current }] : []));
  const unchanged = same.filter(({ current }) => isSignedByAll(current, signers));
  if (same.length === parts.length) {
    if (unchanged.length === parts.length) return { kind: "nothing", unchanged };
    const unsigned = same.filter((one) => !unchanged.includes(one));
    return { kind: "add-signatures", unsigned, unchanged };
  }
  const settled = new Set(unchanged.map(({ part }) => part));
  return { kind: "release", parts: parts.filter((part) => !settled.has(part)), unchanged };
}

/** What devices of the target follow, when it is the content. */
function sameCurrent(
  { content }: { content: Content },
  head: Head,
  requested: bigint | undefined,
): ProvenManifest | undefined {
  const current = head.kind === "proven" ? head.current.get(content.target) : undefined;
  if (current === undefined || !isSameContent(current.manifest, content)) return undefined;
  const { revision } = current.manifest;
  return requested === undefined || requested === revision ? current : undefined;
}

function isSignedByAll({ signedBy }: ProvenManifest, signers: readonly PublicKey[]): boolean {
  return signers.every(({ publicKey }) => signedBy.some((key) => sameBytes(key, publicKey)));
}
