import type { Scope } from "./scopes.ts";
import type { TokenTimes } from "./token-standing.ts";

/** A token as it is kept. */
export interface StoredToken extends TokenTimes {
  readonly id: string;
  readonly name: string;
  readonly secretSha256: Uint8Array;
  readonly scopes: readonly Scope[];
  readonly createdAt: Date;
  /** Name of the token that made it; empty: the server at its first start. */
  readonly createdBy: string;
  /** To the minute. */
  readonly lastUsedAt: Date | undefined;
}
