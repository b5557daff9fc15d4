import type { Db } from "../db/database.ts";
import { OtaError } from "../ota-error.ts";
import type { Operator } from "./caller.ts";
import type { Scope } from "./scopes.ts";
import type { FileSecret } from "./secret-file.ts";
import { readSecretToken } from "./secret-token.ts";
import { digestOfSecret, sameDigest } from "./secret.ts";
import type { StoredToken } from "./stored-token.ts";
import { findToken, noteTokenUse } from "./token-queries.ts";
import { tokenStanding } from "./token-standing.ts";
import type { UseNotes } from "./use-notes.ts";

/** Finds out which operator a credential is of. */
export interface OperatorCheck {
  /**
   * The operator with this token. Asks the database every time, so a token that
   * was revoked is refused at once at every replica.
   *
   * @throws {OtaError} CREDENTIAL_INVALID. Whoever has not the whole secret
   * hears the same sentence as for a token that never was.
   */
  byToken(text: string, nowMs: number): Promise<Operator>;
}

/** The secrets in files; undefined: there is none. */
export interface FileSecrets {
  readonly publishToken: FileSecret | undefined;
  readonly adminToken: FileSecret | undefined;
}

/** Names under which the bearers of the files' secrets appear in audit and log; no other token has one of them. */
export const FILE_TOKEN_NAMES = {
  publishToken: "publish-token",
  adminToken: "admin-token",
} as const;

/** The name of a token that a server made at its start. */
export const FIRST_ADMIN_NAME = "first-admin";

const FILE_SCOPES: Readonly<Record<keyof FileSecrets, readonly Scope[]>> = {
  publishToken: ["publish:*", "read"],
  adminToken: ["admin"],
};

/** No secret has it: what is compared when there is no token. */
const NOBODYS_DIGEST = new Uint8Array(32);

export function createOperatorCheck(parts: {
  readonly db: Db;
  readonly files: FileSecrets;
  readonly useNotes: UseNotes;
}): OperatorCheck {
  const { db, files, useNotes } = parts;

  async function byDatabase(text: string, nowMs: number): Promise<Operator> {
    const presented = readSecretToken("nota", text);
    if (presented === undefined) throw unknown();
    const token = await findToken(db, presented.id);
    // Compared as well when there is no such token: an id tells nothing.
    const isWhole = sameDigest(token?.secretSha256 ?? NOBODYS_DIGEST, presented.sha256);
    if (token === undefined || !isWhole) throw unknown();
    requireGood(token, nowMs);
    useNotes.note({
      key: token.id,
      lastUsedAt: token.lastUsedAt,
      nowMs,
      write: (minute) => noteTokenUse(db, token.id, minute),
    });
    return {
      kind: "operator",
      name: token.name,
      scopes: token.scopes,
      expiresAtMs: token.expiresAt?.getTime(),
      credential: { kind: "token", tokenId: token.id },
    };
  }

  return {
    async byToken(text, nowMs) {
      return byFile(files, text) ?? (await byDatabase(text, nowMs));
    },
  };
}

function byFile(files: FileSecrets, text: string): Operator | undefined {
  const digest = digestOfSecret(text);
  for (const which of ["publishToken", "adminToken"] as const) {
    const secret = files[which];
    if (secret === undefined || !sameDigest(secret.digest, digest)) continue;
    return {
      kind: "operator",
      name: FILE_TOKEN_NAMES[which],
      scopes: FILE_SCOPES[which],
      expiresAtMs: undefined,
      credential: { kind: "file" },
    };
  }
  return undefined;
}

/** Told only to who has the secret: for them the cause is the remedy. */
function requireGood(token: StoredToken, nowMs: number): void {
  switch (tokenStanding(token, nowMs)) {
    case "good":
      return;
    case "revoked":
      throw invalid(`the token ${token.name} was revoked; have another made`);
    case "expired":
      throw invalid(`the token ${token.name} has expired; have another made`);
    case "suspended":
      throw invalid(
        `the token ${token.name} waits since the database was restored; have an admin confirm it: nix-ota token confirm ${token.id}`,
      );
  }
}

function unknown(): OtaError {
  return invalid("the credential is not known to this server");
}

function invalid(sentence: string): OtaError {
  return new OtaError("CREDENTIAL_INVALID", sentence);
}
