const LEAST_MS = 1_000;
const MOST_MS = 10_000;
/** One who watches takes at most so small a share of the database: one in ten. */
const SHARE = 9;

/** How long to rest after a count of the fleet that took so long, milliseconds. */
export function fleetRestMs(tookMs: number): number {
  return Math.min(MOST_MS, Math.max(LEAST_MS, SHARE * tookMs));
}
