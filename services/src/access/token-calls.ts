import { timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";

import { actorOf, callerOf, requireAdmin } from "../auth.ts";
import { addressOf } from "../call.ts";
import { makeCursor, readCursor } from "../cursor.ts";
import type { Db } from "../db/database.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import { deleteSessionsOf } from "./console-queries.ts";
import { spendFirstAdmin } from "./first-admin.ts";
import { FILE_TOKEN_NAMES, FIRST_ADMIN_NAME } from "./operator-check.ts";
import { recordAudit } from "./queries.ts";
import type { Scope } from "./scopes.ts";
import { isTokenId, makeSecretToken } from "./secret-token.ts";
import type { StoredToken } from "./stored-token.ts";
import { tokenMessage } from "./token-message.ts";
import { confirmToken, findToken, findTokens, insertToken, revokeToken } from "./token-queries.ts";

const PAGE_SIZE = 50;
/** The end of the year 9999: the last that every reader of a timestamp takes. */
const LAST_MS = 253_402_300_799_999;
const RESERVED_NAMES: readonly string[] = [...Object.values(FILE_TOKEN_NAMES), FIRST_ADMIN_NAME];

type TokenCalls = Pick<
  ServiceImpl<typeof AccessService>,
  "createToken" | "listTokens" | "revokeToken" | "confirmToken"
>;

/** The calls about operator tokens. */
export function tokenCalls(deps: Deps): TokenCalls {
  const { db } = deps;
  return {
    async createToken(request, context) {
      const caller = requireAdmin(context);
      const name = readName(request.name);
      const expiresAt = readEnd(request.expiresAt, deps.nowMs());
      // The contract's pattern is the type.
      const scopes = [...new Set(request.scopes)] as Scope[];
      const { text, ...made } = makeSecretToken("nota");
      const { token, isFirstSpent } = await db.transaction().execute(async (transaction) => {
        const isFirstSpent =
          scopes.includes("admin") && (await spendFirstAdmin(transaction, caller));
        const token = await insertToken(transaction, {
          ...made,
          name,
          scopes,
          expiresAt,
          createdBy: caller.name,
        });
        await audit(transaction, context, { action: "CreateToken", after: token });
        return { token, isFirstSpent };
      });
      if (isFirstSpent) deps.dropFirstAdminFile();
      return { token: tokenMessage(token), secret: text };
    },

    async listTokens({ pageSize, cursor }, context) {
      requireAdmin(context);
      const limit = pageSize === 0 ? PAGE_SIZE : pageSize;
      const tokens = await findTokens(db, { after: readPlace(cursor), limit });
      const last = tokens.length === limit ? tokens.at(-1)?.place : undefined;
      return {
        tokens: tokens.map(({ token }) => tokenMessage(token)),
        nextCursor: last === undefined ? "" : makeCursor("ListTokens", last),
      };
    },

    async revokeToken({ tokenId }, context) {
      requireAdmin(context);
      return { token: tokenMessage(await change("RevokeToken", tokenId, endToken, context)) };
    },

    async confirmToken({ tokenId }, context) {
      requireAdmin(context);
      return { token: tokenMessage(await change("ConfirmToken", tokenId, confirmToken, context)) };
    },
  };

  /** Makes a change, with its audit row, or finds that it is made already. */
  async function change(
    action: string,
    tokenId: string,
    made: (db: Db, id: string) => Promise<StoredToken | undefined>,
    context: HandlerContext,
  ): Promise<StoredToken> {
    if (!isTokenId(tokenId)) throw unknown(tokenId);
    return await db.transaction().execute(async (transaction) => {
      const before = await findToken(transaction, tokenId);
      if (before === undefined) throw unknown(tokenId);
      const after = await made(transaction, tokenId);
      if (after === undefined) return before;
      await audit(transaction, context, { action, before, after });
      return after;
    });
  }
}

async function endToken(db: Db, tokenId: string): Promise<StoredToken | undefined> {
  await deleteSessionsOf(db, tokenId);
  return await revokeToken(db, tokenId);
}

async function audit(
  db: Db,
  context: HandlerContext,
  change: {
    readonly action: string;
    readonly before?: StoredToken;
    readonly after: StoredToken;
  },
): Promise<void> {
  await recordAudit(db, {
    actor: actorOf(callerOf(context)),
    action: change.action,
    subject: `token ${change.after.id}`,
    address: addressOf(context),
    before: change.before === undefined ? undefined : described(change.before),
    after: described(change.after),
  });
}

function described({ name, scopes, expiresAt, revokedAt, suspendedAt }: StoredToken): object {
  return { name, scopes, expiresAt, revokedAt, suspendedAt };
}

function readName(name: string): string {
  // Of two names that read alike the audit could not tell who it was.
  if (/\p{Cc}|\p{Cf}|^\s|\s$/u.test(name)) {
    throw unusable("the name has characters that nobody sees; leave them out");
  }
  if (!RESERVED_NAMES.includes(name)) return name;
  throw unusable(`the name ${name} means another token in the audit; take another`);
}

function readEnd(end: Timestamp | undefined, nowMs: number): Date | undefined {
  if (end === undefined) return undefined;
  const endMs = timestampMs(end);
  if (endMs > nowMs && endMs <= LAST_MS) return new Date(endMs);
  throw unusable("the token would end in the past or after the year 9999; give another end");
}

function readPlace(cursor: string): readonly string[] | undefined {
  const place = readCursor("ListTokens", cursor, 2);
  if (place === undefined || /^[0-9]{1,18}$/.test(place[0] ?? "")) return place;
  throw new OtaError("CURSOR_INVALID", "the cursor is not from this call; begin without one");
}

function unusable(sentence: string): ConnectError {
  return new ConnectError(sentence, Code.InvalidArgument);
}

function unknown(tokenId: string): OtaError {
  return new OtaError("TOKEN_UNKNOWN", `there is no token ${tokenId}; see: nix-ota token list`);
}
