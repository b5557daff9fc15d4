const FIRST_PAUSE_MS = 60_000;
const LONGEST_PAUSE_MS = 3_600_000;
/** Above the time between two tries, a database that lets each wait included. */
const QUIET_MS = 90_000;

/**
 * Which failures of work that is tried again and again are worth a line of the log: the first,
 * then one after a minute, and after a pause twice as long each time, an hour at most. After 90 s
 * without any, the next one is a first one again.
 *
 * @returns What a failure at a time of a clock that never goes back is answered: how many there
 * were since the last line, this one included; undefined: say nothing.
 */
export function outageNotices(): (atMs: number) => number | undefined {
  let lastFailureMs = -Infinity;
  let lastLineMs = -Infinity;
  let pauseMs = 0;
  let unsaid = 0;
  return (atMs) => {
    if (atMs - lastFailureMs > QUIET_MS) {
      pauseMs = 0;
      unsaid = 0;
    }
    lastFailureMs = atMs;
    unsaid += 1;
    if (pauseMs > 0 && atMs - lastLineMs < pauseMs) return undefined;
    pauseMs = pauseMs === 0 ? FIRST_PAUSE_MS : Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    lastLineMs = atMs;
    const failures = unsaid;
    unsaid = 0;
    return failures;
  };
}
