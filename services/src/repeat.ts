/** Work that goes on until it is stopped. */
export interface Repeated {
  /** Has it done at once; resolves when that is done. One round at a time. */
  now(): Promise<void>;
  /** Resolves when a round under way is done; none begins after it. */
  stop(): Promise<void>;
}

/** Does the work again and again, `everyMs` after it was begun before. The work has no errors. */
export function repeat(work: () => Promise<void>, everyMs: number): Repeated {
  let round = Promise.resolve();
  const begin = () => {
    round = round.then(work);
    return round;
  };
  const timer = setInterval(() => void begin(), everyMs);
  return {
    now: begin,
    async stop() {
      clearInterval(timer);
      await round;
    },
  };
}
