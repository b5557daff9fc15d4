import { create } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate, type Timestamp } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  EnrolmentTokenSchema,
  type AccessService,
  type EnrolmentToken,
} from "@nix-ota/proto/nixota/v1/access_service_pb";

import { actorOf, callerOf, requireAdmin } from "../auth.ts";
import { addressOf } from "../call.ts";
import { makeCursor, readCursor } from "../cursor.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import {
  changeEnrolmentToken,
  insertEnrolmentToken,
  listEnrolmentTokens,
  lockEnrolmentToken,
} from "./enrolment-token-queries.ts";
import type { StoredEnrolmentToken } from "./enrolment-token.ts";
import { recordAudit } from "./queries.ts";
import { isTokenId, makeSecretToken } from "./secret-token.ts";

type EnrolmentTokenCalls = Pick<
  ServiceImpl<typeof AccessService>,
  "createEnrolmentToken" | "listEnrolmentTokens" | "revokeEnrolmentToken" | "confirmEnrolmentToken"
>;

const PAGE_SIZE = 50;
const DAY_MS = 24 * 60 * 60_000;
const LONGEST_LIFE_MS = 3660 * DAY_MS;

/** The calls about tokens by which devices enrol. */
export function enrolmentTokenCalls(deps: Deps): EnrolmentTokenCalls {
  const { db } = deps;
  return {
    async createEnrolmentToken({ channel, maxUses, expiresAt }, context) {
      requireAdmin(context);
      const end = readEnd(expiresAt, deps.nowMs());
      const { text, ...digest } = makeSecretToken("noe");
      const token = await db.transaction().execute(async (transaction) => {
        const made = await insertEnrolmentToken(transaction, {
          ...digest,
          channel,
          maxUses: maxUses === 0 ? 1 : maxUses,
          expiresAt: end,
          createdBy: actorOf(callerOf(context)),
        });
        await recordAudit(transaction, {
          ...change(context, "CreateEnrolmentToken", made),
          after: audited(made),
        });
        return made;
      });
      return { token: tokenMessage(token), secret: text };
    },

    async listEnrolmentTokens({ pageSize, cursor }, context) {
      requireAdmin(context);
      const limit = pageSize === 0 ? PAGE_SIZE : pageSize;
      const tokens = await listEnrolmentTokens(db, { after: readPlace(cursor), limit });
      const last = tokens.length === limit ? tokens.at(-1)?.place : undefined;
      return {
        tokens: tokens.map(tokenMessage),
        nextCursor: last === undefined ? "" : makeCursor("ListEnrolmentTokens", last),
      };
    },

    async revokeEnrolmentToken({ tokenId }, context) {
      requireAdmin(context);
      const now = new Date(deps.nowMs());
      const token = await changed(
        deps,
        { context, tokenId, action: "RevokeEnrolmentToken" },
        (one) => (one.revokedAt === undefined ? { revoked_at: now } : undefined),
      );
      return { token: tokenMessage(token) };
    },

    async confirmEnrolmentToken({ tokenId }, context) {
      requireAdmin(context);
      const token = await changed(
        deps,
        { context, tokenId, action: "ConfirmEnrolmentToken" },
        (one) => (one.suspendedAt === undefined ? undefined : { suspended_at: null }),
      );
      return { token: tokenMessage(token) };
    },
  };
}

/** Changes a token and says so in the audit; a token that is so already stays without a word. */
async function changed(
  { db }: Deps,
  call: {
    readonly context: HandlerContext;
    readonly tokenId: string;
    readonly action: string;
  },
  decide: (token: StoredEnrolmentToken) => Parameters<typeof changeEnrolmentToken>[2] | undefined,
): Promise<StoredEnrolmentToken> {
  const { context, tokenId, action } = call;
  return await db.transaction().execute(async (transaction) => {
    const before = isTokenId(tokenId) ? await lockEnrolmentToken(transaction, tokenId) : undefined;
    if (before === undefined) {
      throw new OtaError("TOKEN_UNKNOWN", "there is no enrolment token of that id");
    }
    const wanted = decide(before);
    if (wanted === undefined) return before;
    await changeEnrolmentToken(transaction, tokenId, wanted);
    const after: StoredEnrolmentToken =
      "revoked_at" in wanted
        ? { ...before, revokedAt: wanted.revoked_at }
        : { ...before, suspendedAt: undefined };
    await recordAudit(transaction, {
      ...change(context, action, before),
      before: audited(before),
      after: audited(after),
    });
    return after;
  });
}

function change(context: HandlerContext, action: string, token: StoredEnrolmentToken) {
  return {
    actor: actorOf(callerOf(context)),
    action,
    subject: `${token.channel} enrolment token ${token.id}`,
    address: addressOf(context),
  };
}

/** A token for the audit: all but its secret. */
function audited(token: StoredEnrolmentToken): object {
  const { secretSha256: _, ...rest } = token;
  return rest;
}

function readEnd(expiresAt: Timestamp | undefined, nowMs: number): Date {
  if (expiresAt === undefined) return new Date(nowMs + DAY_MS);
  const end = timestampDate(expiresAt);
  const lifeMs = end.getTime() - nowMs;
  if (lifeMs > 0 && lifeMs <= LONGEST_LIFE_MS) return end;
  throw new ConnectError(
    "the end of an enrolment token must lie ahead, ten years at most",
    Code.InvalidArgument,
  );
}

function readPlace(cursor: string): readonly string[] | undefined {
  const place = readCursor("ListEnrolmentTokens", cursor, 2);
  if (place === undefined || /^[0-9]{1,18}$/.test(place[0] ?? "")) return place;
  throw new OtaError("CURSOR_INVALID", "the cursor is not from this call; begin without one");
}

/** The contract's EnrolmentToken. */
function tokenMessage(token: StoredEnrolmentToken): EnrolmentToken {
  const { id, channel, maxUses, uses, createdBy, revokedAt, suspendedAt } = token;
  return create(EnrolmentTokenSchema, {
    id,
    channel,
    maxUses,
    uses,
    createdBy,
    createdAt: timestampFromDate(token.createdAt),
    expiresAt: timestampFromDate(token.expiresAt),
    ...(revokedAt === undefined ? {} : { revokedAt: timestampFromDate(revokedAt) }),
    ...(suspendedAt === undefined ? {} : { suspendedAt: timestampFromDate(suspendedAt) }),
  });
}
