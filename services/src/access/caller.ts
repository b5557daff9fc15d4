import type { Scope } from "./scopes.ts";
import type { Session } from "./session-token.ts";

/** Who calls. */
export type Caller = Operator | DeviceCaller | { readonly kind: "nobody" };

/** A device, by its session. */
export interface DeviceCaller {
  readonly kind: "device";
  readonly session: Session;
}

/** A person or a program that steers the fleet. */
export interface Operator {
  readonly kind: "operator";
  /** Name of the token, for audit and log. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** When the credential ends by itself, milliseconds since 1970 UTC; undefined: never. */
  readonly expiresAtMs: number | undefined;
  readonly credential: OperatorCredential;
}

/** What an operator called with. */
export type OperatorCredential =
  /** A secret in a file of the server's: good as long as the process runs. */
  | { readonly kind: "file" }
  /** A token of the database. */
  | { readonly kind: "token"; readonly tokenId: string }
  /** A cookie of the console. */
  | {
      readonly kind: "console";
      readonly sessionSha256: Uint8Array;
      /** The token that it was opened with; undefined: a secret in a file. */
      readonly tokenId: string | undefined;
    };
