import type { Db } from "../db/database.ts";
import { OtaError } from "../ota-error.ts";
import type { Operator } from "./caller.ts";
import { findSessions, noteSessionUse, type StoredSession } from "./console-queries.ts";
import { isSessionOver, LIFE_MS } from "./console-session.ts";
import type { Scope } from "./scopes.ts";
import type { FileSecret } from "./secret-file.ts";
import { readSecretToken } from "./secret-token.ts";
import { digestOfSecret, sameDigest } from "./secret.ts";
import type { StoredToken } from "./stored-token.ts";
import { findToken, noteTokenUse } from "./token-queries.ts";
import { tokenStanding } from "./token-standing.ts";
import type { UseNotes } from "./use-notes.ts";

/** When and from where a credential is presented. */
export interface Asked {
  /** Milliseconds since 1970 UTC. */
  readonly nowMs: number;
  /** Network address of the caller. */
  readonly address: string;
}

/** Finds out which operator a credential is of. */
export interface OperatorCheck {
  /**
   * The operator with this token. Asks the database every time, so a token that
   * was revoked is refused at once at every replica.
   *
   * @throws {OtaError} CREDENTIAL_INVALID. Whoever has not the whole secret
   * hears the same sentence as for a token that never was.
   */
  byToken(text: string, asked: Asked): Promise<Operator>;
  /**
   * The operator with this console session, asked of the database like a token:
   * a session ends with what it was opened with.
   *
   * @throws {OtaError} CREDENTIAL_INVALID.
   */
  bySession(sessionSha256: Uint8Array, asked: Asked): Promise<Operator>;
}

/** How often credentials may be presented. */
export interface CredentialLimits {
  /** Counts a use of a credential, good or not. @throws {OtaError} OVERLOADED. */
  use(digest: Uint8Array): Promise<void>;
  /** @throws {OtaError} OVERLOADED when too many credentials from the address failed. */
  requireFewFailures(address: string): Promise<void>;
  /** Counts one that failed. */
  noteFailure(address: string): Promise<void>;
}

/** Credentials that were good a while ago are asked about also while others of their address fail. */
const MOST_KNOWN = 1_000;

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
  readonly limits: CredentialLimits;
}): OperatorCheck {
  const { db, files, useNotes, limits } = parts;
  const known = new Set<string>();

  /** Asks about a credential within the limits: over them, the database is not touched. */
  async function limited(
    digest: Uint8Array,
    { address }: Asked,
    ask: () => Promise<Operator>,
  ): Promise<Operator> {
    await limits.use(digest);
    const name = Buffer.from(digest).toString("hex");
    if (!known.has(name)) await limits.requireFewFailures(address);
    try {
      const operator = await ask();
      remember(known, name);
      return operator;
    } catch (cause) {
      known.delete(name);
      if (cause instanceof OtaError && cause.kind === "CREDENTIAL_INVALID") {
        await limits.noteFailure(address);
      }
      throw cause;
    }
  }

  async function byDatabase(text: string, { nowMs }: Asked): Promise<Operator> {
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
    return ofToken(token);
  }

  /** What a session was opened with, while that is good. */
  async function openedWith(session: StoredSession, nowMs: number): Promise<Operator> {
    const { tokenId, secretSha256 } = session;
    if (tokenId === undefined) {
      const operator = byFile(files, secretSha256);
      if (operator !== undefined) return operator;
      throw sessionOver();
    }
    const token = await findToken(db, tokenId);
    if (token === undefined || !sameDigest(token.secretSha256, secretSha256)) throw sessionOver();
    requireGood(token, nowMs);
    return ofToken(token);
  }

  async function bySession(sessionSha256: Uint8Array, { nowMs }: Asked): Promise<Operator> {
    const [session] = (await findSessions(db, [sessionSha256])).values();
    if (session === undefined || isSessionOver(session, nowMs)) throw sessionOver();
    const operator = await openedWith(session, nowMs);
    useNotes.note({
      key: `session ${Buffer.from(sessionSha256).toString("hex")}`,
      lastUsedAt: session.lastUsedAt,
      nowMs,
      write: (minute) => noteSessionUse(db, sessionSha256, minute),
    });
    return {
      ...operator,
      expiresAtMs: Math.min(
        operator.expiresAtMs ?? Infinity,
        session.createdAt.getTime() + LIFE_MS,
      ),
      credential: { kind: "console", sessionSha256, tokenId: session.tokenId },
    };
  }

  return {
    async byToken(text, asked) {
      const digest = digestOfSecret(text);
      return await limited(
        digest,
        asked,
        async () => byFile(files, digest) ?? (await byDatabase(text, asked)),
      );
    },
    bySession: (sessionSha256, asked) =>
      limited(sessionSha256, asked, () => bySession(sessionSha256, asked)),
  };
}

/** The newest are kept. */
function remember(known: Set<string>, name: string): void {
  known.delete(name);
  known.add(name);
  const [oldest] = known;
  if (known.size > MOST_KNOWN && oldest !== undefined) known.delete(oldest);
}

function byFile(files: FileSecrets, digest: Uint8Array): Operator | undefined {
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

function ofToken({ id, name, scopes, expiresAt }: StoredToken): Operator {
  return {
    kind: "operator",
    name,
    scopes,
    expiresAtMs: expiresAt?.getTime(),
    credential: { kind: "token", tokenId: id },
  };
}

function sessionOver(): OtaError {
  return invalid("the console session is over; sign in again");
}

function unknown(): OtaError {
  return invalid("the credential is not known to this server");
}

function invalid(sentence: string): OtaError {
  return new OtaError("CREDENTIAL_INVALID", sentence);
}
