import type { Db } from "../db/database.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import type { Operator } from "./caller.ts";
import type { FirstAdminFile } from "./first-admin-file.ts";
import { findWorkingAdmins, lockFirstAdmin, type WorkingAdmin } from "./first-admin-queries.ts";
import { FIRST_ADMIN_NAME } from "./operator-check.ts";
import { recordAudit } from "./queries.ts";
import { makeSecretToken } from "./secret-token.ts";
import { sameDigest } from "./secret.ts";
import { findToken, insertToken, revokeToken } from "./token-queries.ts";

/** What a start found or made, for the log. */
export type FirstAdmin =
  /** Somebody can be an admin without it. */
  | { readonly kind: "not-needed" }
  /** A one-time token lies in the file, made by this start or by an earlier one. */
  | { readonly kind: "in-file"; readonly file: string }
  /** It lies where another server's start wrote it. */
  | { readonly kind: "elsewhere" };

/**
 * Sees that somebody can be an admin: without a token that works, and without
 * the file of one, makes a token and writes it to the data directory. What an
 * earlier start left is taken away when it is needed no more.
 *
 * The file is on the disk before the row is: a crash in between leaves a token
 * that nobody knows of, and the next start writes another. Servers that start
 * together take turns, and the first one makes it for all.
 */
export async function ensureFirstAdmin(parts: {
  readonly db: Deps["db"];
  readonly file: FirstAdminFile;
  /** Whether the configuration names an admin token's file. */
  readonly hasAdminFile: boolean;
  /** Whether no other server can have written the token elsewhere: then one whose file is gone is replaced. */
  readonly isOnlyServer: boolean;
  readonly nowMs: number;
}): Promise<FirstAdmin> {
  const { file } = parts;
  return await parts.db.transaction().execute(async (db): Promise<FirstAdmin> => {
    await lockFirstAdmin(db);
    const admins = await findWorkingAdmins(db, new Date(parts.nowMs));
    const first = admins.filter(({ isFirst }) => isFirst);
    if (parts.hasAdminFile || first.length < admins.length) {
      await endAll(db, first);
      file.remove();
      return { kind: "not-needed" };
    }
    const written = file.read();
    if (written !== undefined && first.some((token) => isSame(token, written))) {
      return { kind: "in-file", file: file.path };
    }
    if (first.length > 0 && !parts.isOnlyServer) return { kind: "elsewhere" };
    await endAll(db, first);
    await make(db, file);
    return { kind: "in-file", file: file.path };
  });
}

/**
 * Spends a first admin token with which another admin token is made. Give the
 * transaction that makes it.
 *
 * @returns Whether the operator called with such a token.
 * @throws {OtaError} CREDENTIAL_INVALID when it was spent a moment before.
 */
export async function spendFirstAdmin(db: Db, { credential }: Operator): Promise<boolean> {
  if (credential.kind === "file" || credential.tokenId === undefined) return false;
  const token = await findToken(db, credential.tokenId);
  if (token?.createdBy !== "") return false;
  if (await end(db, token.id)) return true;
  // Another call came between the gate and here.
  throw new OtaError(
    "CREDENTIAL_INVALID",
    "the first admin token makes one other and was used; go on with that one",
  );
}

function isSame(token: WorkingAdmin, written: { readonly sha256: Uint8Array }): boolean {
  return sameDigest(token.secretSha256, written.sha256);
}

async function make(db: Db, file: FirstAdminFile): Promise<void> {
  const { text, ...digest } = makeSecretToken("nota");
  file.write(text);
  const scopes = ["admin"] as const;
  await insertToken(db, {
    ...digest,
    name: FIRST_ADMIN_NAME,
    scopes,
    createdBy: "",
    expiresAt: undefined,
  });
  await audit(db, "CreateToken", digest.id, { name: FIRST_ADMIN_NAME, scopes });
}

async function endAll(db: Db, tokens: readonly WorkingAdmin[]): Promise<void> {
  for (const { id } of tokens) await end(db, id);
}

/** @returns Whether it ended by this. */
async function end(db: Db, id: string): Promise<boolean> {
  const ended = await revokeToken(db, id);
  if (ended === undefined) return false;
  await audit(db, "RevokeToken", id, { name: FIRST_ADMIN_NAME, revokedAt: ended.revokedAt });
  return true;
}

/** The server itself does it: there is no actor and no address. */
async function audit(db: Db, action: string, id: string, after: object): Promise<void> {
  await recordAudit(db, { actor: "", action, subject: `token ${id}`, address: "", after });
}
