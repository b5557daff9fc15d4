import { randomBytes } from "node:crypto";

import { digestOfSecret } from "./secret.ts";

/**
 * The cookie of a person at the console. By its prefix browsers take it over
 * TLS only (Chromium also from localhost and 127.0.0.1), for this host alone, and
 * no page of a neighbouring host can plant one.
 */
export const SESSION_COOKIE = "__Host-nix-ota";
/** A session that was not used for so long is over. */
export const IDLE_MS = 30 * 60_000;
/** A session is over so long after it was opened, however it was used. */
export const LIFE_MS = 12 * 60 * 60_000;
/** Sessions that one token has open; the oldest go first. */
export const SESSIONS_PER_TOKEN = 100;

const VALUE_BYTES = 32;
const ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict";

/** A session to open: the header is for the browser, the digest is kept. */
export interface OpenedSession {
  readonly setCookie: string;
  readonly idSha256: Uint8Array;
}

export function makeConsoleSession(): OpenedSession {
  const value = randomBytes(VALUE_BYTES).toString("base64url");
  return {
    setCookie: `${SESSION_COOKIE}=${value}; Max-Age=${LIFE_MS / 1000}; ${ATTRIBUTES}`,
    idSha256: digestOfSecret(value),
  };
}

/** Has a browser forget the cookie. */
export const NO_COOKIE = `${SESSION_COOKIE}=; Max-Age=0; ${ATTRIBUTES}`;

/** Digest of the session that a request's cookies name; undefined: none. */
export function readSessionCookie(header: string | null): Uint8Array | undefined {
  for (const cookie of (header ?? "").split(";")) {
    const [name = "", value = ""] = cookie.trim().split("=", 2);
    if (name === SESSION_COOKIE && /^[\w-]{43}$/.test(value)) return digestOfSecret(value);
  }
  return undefined;
}

/** Whether a session is over by itself. */
export function isSessionOver(
  session: { readonly createdAt: Date; readonly lastUsedAt: Date },
  nowMs: number,
): boolean {
  return (
    nowMs >= session.createdAt.getTime() + LIFE_MS ||
    nowMs >= session.lastUsedAt.getTime() + IDLE_MS
  );
}
