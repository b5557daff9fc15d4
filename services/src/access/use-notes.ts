const MINUTE_MS = 60_000;

/** Notes when credentials were used, to the minute, beside the calls that use them. */
export interface UseNotes {
  /**
   * Has a use written down unless its minute is noted or being noted already:
   * one write a minute for a key, and no call waits for it.
   *
   * @param key Names the credential among all that are noted here.
   * @param write Writes the minute; a failure is told to `failed` and forgotten,
   * for the next minute's use is noted again.
   */
  note(use: {
    readonly key: string;
    readonly lastUsedAt: Date | undefined;
    readonly nowMs: number;
    readonly write: (minute: Date) => Promise<void>;
  }): void;
  /** Resolves when nothing is being written. */
  drain(): Promise<void>;
}

export function createUseNotes(failed: (error: unknown) => void): UseNotes {
  // One for each credential in use, which had to be proven first.
  const writing = new Map<string, Promise<void>>();
  return {
    note({ key, lastUsedAt, nowMs, write }) {
      const minuteMs = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS;
      if (writing.has(key) || (lastUsedAt?.getTime() ?? 0) >= minuteMs) return;
      const written = write(new Date(minuteMs))
        .catch(failed)
        .finally(() => writing.delete(key));
      writing.set(key, written);
    },
    async drain() {
      await Promise.all(writing.values());
    },
  };
}
