/** A step over more revisions than this is asked about: it is more often a slip than a wish. */
export const LARGEST_SILENT_JUMP = 1000n;

/** 2^53 − 1, the contract's highest revision. */
export const HIGHEST_REVISION = 2n ** 53n - 1n;

/** Which revision to sign, or why none without asking. */
export type NextRevision =
  | { kind: "sign"; revision: bigint }
  | { kind: "jump"; revision: bigint; over: bigint }
  | { kind: "not-above"; revision: bigint; head: bigint }
  | { kind: "exhausted" };

/**
 * The revision after the head that the operator's keys prove, or the one asked for.
 * `provenHead` is 0 where the channel has no release, or none that the keys prove.
 */
export function nextRevision(provenHead: bigint, requested: bigint | undefined): NextRevision {
  const revision = requested ?? provenHead + 1n;
  if (revision > HIGHEST_REVISION) return { kind: "exhausted" };
  if (revision <= provenHead) return { kind: "not-above", revision, head: provenHead };
  const over = revision - provenHead;
  if (over > LARGEST_SILENT_JUMP) return { kind: "jump", revision, over };
  return { kind: "sign", revision };
}
