import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

import type { SessionKeys } from "./session-key-file.ts";

/** How long a challenge can be answered. */
const LIFE_MS = 60_000;
/** Replicas' clocks differ a little. */
const AHEAD_MS = 5_000;

const TIME_BYTES = 8;
const RANDOM_BYTES = 16;
const BODY_BYTES = TIME_BYTES + RANDOM_BYTES;
const TAG_BYTES = 32;

/**
 * A nonce for one device to sign. It carries its time and a tag, so that any
 * replica recognises it and none has to remember it.
 */
export function makeChallenge(deviceId: string, keys: SessionKeys, nowMs: number): Uint8Array {
  const body = Buffer.alloc(BODY_BYTES);
  body.writeBigUInt64BE(BigInt(nowMs));
  randomBytes(RANDOM_BYTES).copy(body, TIME_BYTES);
  return Buffer.concat([body, mac(deviceId, body, keys[0])]);
}

/** Whether this server, or a replica, gave the nonce to the device within 60 s. */
export function isOwnChallenge(
  nonce: Uint8Array,
  deviceId: string,
  keys: SessionKeys,
  nowMs: number,
): boolean {
  if (nonce.length !== BODY_BYTES + TAG_BYTES) return false;
  const body = Buffer.from(nonce.subarray(0, BODY_BYTES));
  const tag = nonce.subarray(BODY_BYTES);
  if (!keys.some((key) => timingSafeEqual(mac(deviceId, body, key), tag))) return false;
  const ageMs = nowMs - Number(body.readBigUInt64BE());
  return ageMs >= -AHEAD_MS && ageMs <= LIFE_MS;
}

function mac(deviceId: string, body: Uint8Array, key: Uint8Array): Buffer {
  return createHmac("sha256", key)
    .update(`nix-ota challenge v1\0${deviceId}\0`)
    .update(body)
    .digest();
}
