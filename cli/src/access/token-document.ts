import type { EnrolmentToken, Token } from "@nix-ota/proto/nixota/v1/access_service_pb";

import { momentMs, momentText } from "../moment.ts";

/** Whether a token works; of several reasons for not, the one that lasts longest. */
export type TokenState = "active" | "suspended" | "expired" | "revoked";

export function tokenState(token: Token | EnrolmentToken, nowMs: number): TokenState {
  if (token.revokedAt !== undefined) return "revoked";
  const endsMs = momentMs(token.expiresAt);
  if (endsMs !== undefined && endsMs <= nowMs) return "expired";
  return token.suspendedAt === undefined ? "active" : "suspended";
}

/** A token for a program: every key is always there. */
export function tokenDocument(token: Token, nowMs: number) {
  return {
    id: token.id,
    name: token.name,
    scopes: token.scopes,
    state: tokenState(token, nowMs),
    createdAt: momentText(token.createdAt),
    createdBy: token.createdBy,
    expiresAt: momentText(token.expiresAt),
    lastUsedAt: momentText(token.lastUsedAt),
    revokedAt: momentText(token.revokedAt),
    suspendedAt: momentText(token.suspendedAt),
  };
}

/** An enrolment token for a program: every key is always there. */
export function enrolmentTokenDocument(token: EnrolmentToken, nowMs: number) {
  return {
    id: token.id,
    channel: token.channel,
    state: tokenState(token, nowMs),
    uses: token.uses,
    maxUses: token.maxUses,
    createdAt: momentText(token.createdAt),
    createdBy: token.createdBy,
    expiresAt: momentText(token.expiresAt),
    revokedAt: momentText(token.revokedAt),
    suspendedAt: momentText(token.suspendedAt),
  };
}
