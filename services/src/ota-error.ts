import type { ReasonDetails, ReasonName } from "@nix-ota/proto/reason";

/** Why a call is refused; the Connect code of each stands in the contract. */
export type ErrorKind = ReasonName;

/** The package's error: a closed kind, a sentence for a person, the cause for the log. */
export class OtaError extends Error {
  override readonly name = "OtaError";
  readonly kind: ErrorKind;
  readonly details: ReasonDetails;

  constructor(
    kind: ErrorKind,
    message: string,
    options: { readonly cause?: unknown; readonly details?: ReasonDetails } = {},
  ) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.details = options.details ?? {};
  }
}
