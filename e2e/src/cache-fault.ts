import type { CacheKey } from "./cache-key.ts";

/** A way in which a cache misbehaves towards a request. */
export type CacheFault =
  /** Answers with this status, for example 401, 403, 404, 500 or 503. */
  | { readonly kind: "status"; readonly status: number; readonly retryAfterS?: number }
  /** Takes the request and never says a word. */
  | { readonly kind: "no-answer" }
  /** Sends so many bytes and then keeps the connection open in silence. */
  | { readonly kind: "stall"; readonly afterBytes: number }
  /** Sends so many bytes at a time. */
  | { readonly kind: "trickle"; readonly bytes: number; readonly everyMs: number }
  /** Sends so many bytes and then resets the connection (TCP RST). */
  | { readonly kind: "reset"; readonly afterBytes: number }
  /** Sends so many bytes of the announced length and then closes the connection. */
  | { readonly kind: "truncate"; readonly afterBytes: number }
  /** Flips a byte in the middle of a nar; makes a narinfo unreadable. */
  | { readonly kind: "corrupt" }
  /** A nar that does not end: the narinfo says "not compressed", the nar is one file of zeros. */
  | { readonly kind: "endless"; readonly limitBytes: number }
  /** Leaves the signatures out of a narinfo. */
  | { readonly kind: "unsigned" }
  /** Replaces the signatures of a narinfo by another key's, which are right for that key. */
  | { readonly kind: "wrong-key"; readonly key: CacheKey }
  /** Serves what stands in this folder before what stands in its own: see `poisonPath`. */
  | { readonly kind: "poisoned"; readonly dir: string };

/** The requests that a fault meets: by URL path, or all that fetch one store path. */
export type FaultTarget =
  | RegExp
  | { readonly storePath: string; readonly part: "narinfo" | "nar" | "both" };

export type InjectedFault = {
  readonly on: FaultTarget;
  readonly fault: CacheFault;
  /** How many requests it meets before it is spent. Default: all. */
  readonly times?: number;
};
