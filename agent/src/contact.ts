import type { Directive } from "@nix-ota/proto/nixota/v1/device_pb";

/** What this process remembers of the server. Lost with it, which is safe: nothing counts as recent then. */
export interface Contact {
  /** When the server answered last, by the monotonic clock. */
  answeredAtMs: number | undefined;
  /** Its answer to the last report; undefined: there was none. */
  directive: Directive | undefined;
  /** Its clock in its last answer, seconds since 1970 UTC, and when that came, by the monotonic clock. */
  clock: { readonly wallS: number; readonly atMs: number } | undefined;
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
  /** Wait until somebody may have ended a refusal, instead of ever longer ones; 0: it is not such. */
  refusedMs: number;
  /** Returns of the floor's manifest while the server says that it is behind. */
  givenBack: { readonly tries: number; readonly againAtMs: number };
}

const NOTHING_GIVEN_BACK: Contact["givenBack"] = { tries: 0, againAtMs: 0 };

/** What the server says about the offer shows that it is not behind. */
export function caughtUp(contact: Contact): void {
  contact.givenBack = NOTHING_GIVEN_BACK;
}

export const noContact = (): Contact => ({
  answeredAtMs: undefined,
  directive: undefined,
  clock: undefined,
  offered: undefined,
  inventory: undefined,
  directedMs: 0,
  misses: 0,
  retryAfterMs: 0,
  refusedMs: 0,
  givenBack: NOTHING_GIVEN_BACK,
});
