import type { Refusal } from "@nix-ota/proto/reason";

/**
 * What kind of thing went wrong.
 *
 * - `usage`: the command line is wrong
 * - `refused`: the server answered that it will not do it
 * - `unreachable`: the server did not answer, or not in time
 * - `store`: the local nix store, or what is in it
 * - `cache`: a binary cache, or what it holds
 * - `key`: a key or passphrase
 * - `file`: any other file
 * - `unproven`: something from the server that the operator's keys do not prove
 * - `rejected`: a manifest that did not pass the gate
 * - `declined`: a person said no
 * - `diagnosed`: the doctor found something wrong, and has said what
 * - `halted`: a release failed on devices, or its rollout was stopped
 * - `timed-out`: devices were outstanding when the time to wait was over
 */
export type ErrorKind =
  | "usage"
  | "refused"
  | "unreachable"
  | "store"
  | "cache"
  | "key"
  | "file"
  | "unproven"
  | "rejected"
  | "declined"
  | "diagnosed"
  | "halted"
  | "timed-out";

/** The one error of this package: its message is a sentence for the person at the terminal. */
export class CliError extends Error {
  readonly kind: ErrorKind;
  /** What the server gave as its reason, where it gave one. */
  readonly refusal: Refusal | undefined;

  constructor(kind: ErrorKind, message: string, more: { cause?: unknown; refusal?: Refusal } = {}) {
    super(message, { cause: more.cause });
    this.name = "CliError";
    this.kind = kind;
    this.refusal = more.refusal;
  }
}
