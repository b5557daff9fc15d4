/**
 * Holds a download to a rate by pauses: how long to rest after so many bytes. Pure.
 *
 * Newer versions of nix keep the rate by themselves (`download-speed`), and then there is nothing to
 * rest for. What was not used is given back for a second only: a copy that stood still must not fill
 * the link afterwards.
 */
const CREDIT_MS = 1000;

/** @param bytesPerS rate to keep, over 0. */
export function pace(bytesPerS: number, startMs: number): (bytes: number, nowMs: number) => number {
  // When everything that came so far would have come at the rate.
  let dueMs = startMs;
  let before = 0;
  return (bytes, nowMs) => {
    dueMs = Math.max(dueMs, nowMs - CREDIT_MS) + ((bytes - before) * 1000) / bytesPerS;
    before = bytes;
    return Math.max(0, dueMs - nowMs);
  };
}
