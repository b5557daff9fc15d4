/** The server. */
import type { HoldReason } from "@nix-ota/proto/nixota/v1/channel_pb";
import type { Directive, Report } from "@nix-ota/proto/nixota/v1/device_pb";
import type { ReasonName } from "@nix-ota/proto/reason";

import type { Rung } from "../ladder.ts";

/** What came of a call to the server. */
export type Answer<Value> =
  | { readonly got: "answer"; readonly value: Value }
  /** The server answered, authentically, but refuses or is not well: contact is proven. */
  | {
      readonly got: "refusal";
      /** Undefined: not the server's own word, but a proxy's in front of it. */
      readonly reason?: ReasonName;
      readonly message: string;
      readonly retryAfterMs: number;
    }
  /** Nobody answered, or somebody who is not the server. `unasked`: this program asks none, ever. */
  | { readonly got: "silence"; readonly message: string; readonly unasked?: true };

export interface Server {
  /** Proves who the device is, and keeps nothing of it on either side: no session, no enrolment. */
  introduce(signal: AbortSignal): Promise<Answer<void>>;
  /**
   * Reports, and takes the directive that acknowledges it.
   *
   * @param report `sequence` is the adapter's to fill.
   * @param over a connection of its own proves that the way to the server is open at this moment:
   *   one that is open already may outlive the network that it was made in.
   */
  checkIn(
    report: Omit<Report, "$typeName" | "sequence">,
    over: "whatever is open" | "a connection of its own",
    signal: AbortSignal,
  ): Promise<Answer<Directive>>;
  /** Lets the server speak first, over what the configured transport allows, until the signal. */
  follow(closing: AbortSignal): Promise<void>;
  /**
   * Resolves when it is time to report before the next poll is due: the server said something else
   * than in its last answer. Never, unless it is followed. Rejects with the signal's reason.
   */
  pushed(signal: AbortSignal): Promise<void>;
  /** Numbers of reports, from `next` up to but not including `end`, that this process does not use any more. */
  spareNumbers(): { readonly next: number; readonly end: number } | undefined;
  /** How the device hears from the server at this moment. */
  rung(): Rung;
  current(
    floorRevision: number,
    signal: AbortSignal,
  ): Promise<
    Answer<
      | { readonly envelope: Uint8Array }
      | { readonly hold: keyof typeof HoldReason; readonly explanation: string }
    >
  >;
  /** A closure's listing; undefined: the server has none. Its digest is for the caller to compare. */
  listing(digest: Uint8Array, signal: AbortSignal): Promise<Answer<Uint8Array | undefined>>;
  /** Gives an envelope back to a server that lost it; whether the server keeps it. */
  giveBack(envelope: Uint8Array, signal: AbortSignal): Promise<Answer<boolean>>;
}
