import type { TokenDigest } from "./secret-token.ts";
import { sameDigest } from "./secret.ts";

/** A token by which devices enrol, as stored. */
export interface StoredEnrolmentToken {
  readonly id: string;
  /** The only channel that it lets devices come to. */
  readonly channel: string;
  /** sha256 of the whole token. */
  readonly secretSha256: Uint8Array;
  readonly maxUses: number;
  readonly uses: number;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly expiresAt: Date;
  readonly revokedAt: Date | undefined;
  /** Set by the restoration of a backup, until an admin confirms the token. */
  readonly suspendedAt: Date | undefined;
}

/** What a presented enrolment token is worth. For the log: who presented it is told only whether it is good. */
export type TokenWorth =
  | "good"
  | "unknown"
  | "of-another-channel"
  | "revoked"
  | "suspended"
  | "expired"
  | "used-up";

/**
 * Judges a presented token. One of which only the id is right is unknown:
 * whoever does not hold the secret learns nothing of a token.
 *
 * @param token What is stored under the presented id; undefined: nothing.
 */
export function judgeEnrolmentToken(
  presented: TokenDigest,
  token: StoredEnrolmentToken | undefined,
  wanted: { readonly channel: string; readonly nowMs: number },
): TokenWorth {
  if (token === undefined || !sameDigest(presented.sha256, token.secretSha256)) return "unknown";
  if (token.channel !== wanted.channel) return "of-another-channel";
  if (token.revokedAt !== undefined) return "revoked";
  if (token.suspendedAt !== undefined) return "suspended";
  if (wanted.nowMs >= token.expiresAt.getTime()) return "expired";
  return token.uses < token.maxUses ? "good" : "used-up";
}
