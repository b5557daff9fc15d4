/**
 * What the caller did wrong. Only making things throws (signing, printing);
 * everything that reads what others made returns a verdict instead.
 */
export type ContractErrorKind =
  | "seed"
  | "signatures"
  | "too-large"
  | "envelope"
  | "listing"
  | "text";

/** Thrown when something cannot be made from the values given. */
export class ContractError extends Error {
  readonly kind: ContractErrorKind;

  constructor(kind: ContractErrorKind, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "ContractError";
    this.kind = kind;
  }
}
