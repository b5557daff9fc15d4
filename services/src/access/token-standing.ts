/** When a token stops to work; undefined: never, or not yet. */
export interface TokenTimes {
  readonly expiresAt: Date | undefined;
  readonly revokedAt: Date | undefined;
  /** Since when it waits for an admin to confirm it, the database having been restored. */
  readonly suspendedAt: Date | undefined;
}

export type TokenStanding = "good" | "expired" | "revoked" | "suspended";

/** Whether a token works. What cannot be undone is told first. */
export function tokenStanding(times: TokenTimes, nowMs: number): TokenStanding {
  if (times.revokedAt !== undefined) return "revoked";
  if (times.expiresAt !== undefined && times.expiresAt.getTime() <= nowMs) return "expired";
  return times.suspendedAt === undefined ? "good" : "suspended";
}
