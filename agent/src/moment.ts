/** A moment of the monotonic clock; means nothing in another boot. */
export interface Moment {
  readonly bootId: string;
  readonly ms: number;
}

/** Milliseconds from a moment to another; in a later boot nobody knows, so it counts from 0. */
export function elapsedMs(from: Moment, to: Moment): number {
  return from.bootId === to.bootId ? Math.max(0, to.ms - from.ms) : 0;
}
