import { randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";

import { fromBase64, toBase64 } from "@nix-ota/proto/hash";

import { writeDurably } from "../durable-file.ts";

const KEY_BYTES = 32;
const MOST_KEYS = 2;

/** The first key signs; all are accepted, so that keys can be rotated. */
export type SessionKeys = readonly [Uint8Array, ...Uint8Array[]];

/** As `readSessionKeys`; a file that is not there is made, readable by its owner alone. */
export function ensureSessionKeys(file: string): SessionKeys | string {
  try {
    makeUnlessThere(file);
  } catch (cause) {
    return `the session key file ${file} cannot be made: ${(cause as Error).message}`;
  }
  return readSessionKeys(file);
}

/**
 * Reads the keys of device sessions: one or two lines, each the base64 of 32
 * bytes. Returns the sentence that says what is wrong, without any key.
 */
export function readSessionKeys(file: string): SessionKeys | string {
  try {
    if ((statSync(file).mode & 0o007) !== 0) {
      return `the session key file ${file} is open to every user; close it with: chmod 600 ${file}`;
    }
    const lines = readFileSync(file, "utf8").trim().split("\n");
    const keys = lines.map((line) => fromBase64(line.trim()));
    const [first, ...more] = keys.filter((key) => key?.length === KEY_BYTES) as Uint8Array[];
    if (first === undefined || keys.length !== more.length + 1 || keys.length > MOST_KEYS) {
      return `the session key file ${file} must hold one or two lines, each the base64 of ${KEY_BYTES} bytes; make one with: openssl rand -base64 ${KEY_BYTES}`;
    }
    return [first, ...more];
  } catch (cause) {
    return `the session key file ${file} cannot be read: ${(cause as Error).message}`;
  }
}

function makeUnlessThere(file: string): void {
  if (statSync(file, { throwIfNoEntry: false }) !== undefined) return;
  writeDurably(file, `${toBase64(randomBytes(KEY_BYTES))}\n`, "keep");
}
