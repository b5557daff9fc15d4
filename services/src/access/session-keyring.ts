import { createHmac } from "node:crypto";

import type { SessionKeys } from "./session-key-file.ts";

/** The keys that device sessions and challenges are made and read with at the moment. */
export interface SessionKeyring {
  readonly keys: SessionKeys;
  /**
   * Reads file and salt again. What cannot be read leaves the keys as they were.
   *
   * @returns Whether other keys count from here on, or what is wrong, without any key.
   */
  refresh(): Promise<Refreshed>;
}

/** What came of reading the keys again. */
export type Refreshed =
  | { readonly kind: "same" }
  /** `isKeyGone`: sessions of some key that was there are void. */
  | { readonly kind: "changed"; readonly keyCount: number; readonly isKeyGone: boolean }
  | { readonly kind: "unreadable"; readonly problem: string };

/**
 * @param read The keys in the file, or the sentence that says what is wrong.
 * @param readSalt The database's salt. A database that was restored gets
 * another, and with it every session that was given before is void.
 */
export async function openSessionKeyring(
  keys: SessionKeys,
  read: () => SessionKeys | string,
  readSalt: () => Promise<Uint8Array>,
): Promise<SessionKeyring> {
  let current = salted(keys, await readSalt());
  return {
    get keys() {
      return current;
    },
    async refresh() {
      const found = read();
      if (typeof found === "string") return { kind: "unreadable", problem: found };
      const before = current;
      current = salted(found, await readSalt());
      if (areSame(before, current)) return { kind: "same" };
      const isKeyGone = before.some((key) => !current.some((one) => isSame(one, key)));
      return { kind: "changed", keyCount: current.length, isKeyGone };
    },
  };
}

function areSame(some: SessionKeys, others: SessionKeys): boolean {
  if (some.length !== others.length) return false;
  return some.every((key, index) => isSame(key, others[index] ?? new Uint8Array()));
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.from(one).equals(other);
}

/** The keys of one installation: neither the file nor the database alone makes a session. */
export function salted([first, ...more]: SessionKeys, salt: Uint8Array): SessionKeys {
  const derive = (key: Uint8Array) =>
    new Uint8Array(
      createHmac("sha256", key).update("nix-ota session salt v1\0").update(salt).digest(),
    );
  return [derive(first), ...more.map(derive)];
}
