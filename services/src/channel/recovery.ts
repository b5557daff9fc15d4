import { toHex } from "@nix-ota/proto/hash";

/** A manifest that a device gave back and that verified under the channel's keys. */
export interface Returned {
  readonly revision: bigint;
  readonly target: string;
  readonly payloadSha256: Uint8Array;
}

/** What is published again from what devices gave back. */
export type Recovery<T extends Returned> =
  /** Nothing above the head was returned. */
  | { readonly kind: "nothing" }
  /** Two payloads for one revision and target: whoever holds a key signed both. */
  | { readonly kind: "conflict"; readonly manifests: readonly [T, T] }
  /** Releases in the order of their revisions, each sorted by target. */
  | { readonly kind: "releases"; readonly releases: readonly (readonly [T, ...T[]])[] };

/**
 * Decides what a recovery publishes: everything above the head, so that every
 * device that verified one of them finds its own floor again.
 *
 * @param returned Each (revision, target, payload) at most once.
 */
export function planRecovery<T extends Returned>(
  returned: readonly T[],
  headRevision: bigint,
): Recovery<T> {
  const above = returned
    .filter(({ revision }) => revision > headRevision)
    .toSorted((a, b) => order(a.revision, b.revision) || order(a.target, b.target));
  const releases: [T, ...T[]][] = [];
  for (const manifest of above) {
    const last = releases.at(-1);
    const before = last?.at(-1);
    if (last === undefined || before?.revision !== manifest.revision) releases.push([manifest]);
    else if (before.target !== manifest.target) last.push(manifest);
    else if (toHex(before.payloadSha256) !== toHex(manifest.payloadSha256)) {
      return { kind: "conflict", manifests: [before, manifest] };
    }
  }
  return releases.length === 0 ? { kind: "nothing" } : { kind: "releases", releases };
}

function order<T extends bigint | string>(a: T, b: T): number {
  return a < b ? -1 : Number(a > b);
}
