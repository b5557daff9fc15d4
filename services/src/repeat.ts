/** Work that goes on until it is stopped. */
export interface Repeated {
  /** Has it done at once; resolves when that is done. One round at a time, and one that waits. */
  now(): Promise<void>;
  /** Resolves when a round under way is done; none begins after it. */
  stop(): Promise<void>;
}

/**
 * Does the work again and again, `everyMs` after it was begun before. While a
 * round takes longer, e.g. in an outage, one more waits and no others pile up.
 * The work has no errors.
 */
export function repeat(work: () => Promise<void>, everyMs: number): Repeated {
  let round = Promise.resolve();
  let isNextDue = false;
  let isStopped = false;
  const runDue = async () => {
    isNextDue = false;
    if (!isStopped) await work();
  };
  const begin = () => {
    if (!isNextDue) round = round.then(runDue);
    isNextDue = true;
    return round;
  };
  const timer = setInterval(() => void begin(), everyMs);
  return {
    now: begin,
    async stop() {
      isStopped = true;
      clearInterval(timer);
      await round;
    },
  };
}
