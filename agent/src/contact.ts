/** What this process remembers of the server. Lost with it, which is safe: nothing counts as recent then. */
export interface Contact {
  /** When the server answered last, by the monotonic clock. */
  answeredAtMs: number | undefined;
  /** The payload that it offered last, and when. */
  offered: { readonly payloadSha256: string; readonly atMs: number } | undefined;
  /** Inventory as the server acknowledged it last. */
  inventory: string | undefined;
  /** When to report next as the server said, milliseconds; 0: it did not say. */
  directedMs: number;
  /** Calls in a row that got no answer or a refusal. */
  misses: number;
  /** Least wait that a refusal asked for, milliseconds. */
  retryAfterMs: number;
}

export const noContact = (): Contact => ({
  answeredAtMs: undefined,
  offered: undefined,
  inventory: undefined,
  directedMs: 0,
  misses: 0,
  retryAfterMs: 0,
});
