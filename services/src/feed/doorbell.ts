/** Runs something later. @returns What keeps it from running. */
export type After = (delayMs: number, run: () => void) => () => void;

/**
 * Wakes the one who waits. Each wait has a promise of its own: a race with a
 * promise that outlives it would keep every loser in memory.
 */
export class Doorbell {
  readonly #after: After;
  #rung = false;
  #answer: ((rung: boolean) => void) | undefined;

  constructor(after: After) {
    this.#after = after;
  }

  ring(): void {
    this.#rung = true;
    this.#answer?.(true);
  }

  /** Whether it rang within the limit, or since the wait before. */
  async wait(limitMs: number): Promise<boolean> {
    if (!this.#rung) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const cancel = this.#after(limitMs, () => resolve(false));
      this.#answer = resolve;
      await promise;
      cancel();
      this.#answer = undefined;
    }
    const rung = this.#rung;
    this.#rung = false;
    return rung;
  }
}
