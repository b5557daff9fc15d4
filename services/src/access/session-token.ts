import { createHmac, timingSafeEqual } from "node:crypto";

import { isId } from "@nix-ota/proto/ids";

import type { SessionKeys } from "./session-key-file.ts";

/** How every session token begins. */
export const SESSION_PREFIX = "notas1.";
/** How long a session is good, seconds. */
export const SESSION_LIFE_S = 3600;

/** What a session token says: the device proved at most an hour ago that it holds its key. */
export interface Session {
  readonly deviceId: string;
  /** The key's; a replaced key ends the sessions of the one before. */
  readonly keyEpoch: number;
  /** Seconds since 1970 UTC. */
  readonly expiresAtS: number;
}

/**
 * A token that says it, authenticated by the first key. Nothing is kept:
 * every replica with the key can read it.
 */
export function issueSession(session: Session, keys: SessionKeys): string {
  const claim = `${session.expiresAtS}.${session.keyEpoch}.${session.deviceId}`;
  return `${SESSION_PREFIX}${mac(claim, keys[0]).toString("base64url")}.${claim}`;
}

/** What a token says, or undefined when no key made it or its time is over. */
export function readSession(token: string, keys: SessionKeys, nowS: number): Session | undefined {
  const [, tag = "", claim = "", expiresAt, epoch, deviceId = ""] =
    /^notas1\.([\w-]{43})\.(([0-9]{1,12})\.([0-9]{1,9})\.([^\s]{1,63}))$/.exec(token) ?? [];
  const presented = Buffer.from(tag, "base64url");
  if (presented.length !== 32) return undefined;
  if (!keys.some((key) => timingSafeEqual(mac(claim, key), presented))) return undefined;
  const session = { deviceId, keyEpoch: Number(epoch), expiresAtS: Number(expiresAt) };
  return isId(deviceId) && nowS < session.expiresAtS ? session : undefined;
}

function mac(claim: string, key: Uint8Array): Buffer {
  // The words keep a challenge's tag from being one of a session.
  return createHmac("sha256", key).update(`nix-ota session v1\0${claim}`).digest();
}
