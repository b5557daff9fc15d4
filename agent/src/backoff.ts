/**
 * How long to wait before try number `tries + 1`: full jitter below an exponentially growing bound,
 * so that a fleet that failed together does not come back together.
 *
 * @param fraction random, 0 (inclusive) to 1.
 */
export function backoffMs(tries: number, firstMs: number, maxMs: number, fraction: number): number {
  return Math.floor(fraction * Math.min(maxMs, firstMs * 2 ** Math.min(tries, 30)));
}

/** A wait lengthened or shortened at random by up to a share, so that devices do not fall into step. */
export function jittered(ms: number, percent: number, fraction: number): number {
  return Math.round(ms * (1 + ((fraction * 2 - 1) * percent) / 100));
}
