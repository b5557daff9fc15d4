import type { ServiceImpl } from "@connectrpc/connect";
import type { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";

import { requireOwnOrigin } from "../auth.ts";
import { addressOf } from "../call.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import { callerMessage } from "./caller-message.ts";
import type { Operator } from "./caller.ts";
import { deleteSession, insertSession } from "./console-queries.ts";
import { makeConsoleSession, NO_COOKIE, readSessionCookie } from "./console-session.ts";
import { recordAudit } from "./queries.ts";
import { digestOfSecret } from "./secret.ts";

type ConsoleCalls = Pick<ServiceImpl<typeof AccessService>, "signIn" | "signOut">;

/** The calls by which a person comes to the console and leaves it. */
export function consoleCalls(deps: Deps): ConsoleCalls {
  const { db } = deps;
  return {
    async signIn({ token }, context) {
      // Else a foreign page could sign a person in with a token of its own.
      requireOwnOrigin(context, deps.publicUrls);
      const address = addressOf(context);
      const operator = await deps.operators.byToken(token, { nowMs: deps.nowMs(), address });
      const { setCookie, idSha256 } = makeConsoleSession();
      const tokenId =
        operator.credential.kind === "token" ? operator.credential.tokenId : undefined;
      await db.transaction().execute(async (transaction) => {
        await insertSession(transaction, {
          idSha256,
          tokenId,
          secretSha256: digestOfSecret(token),
        });
        const after = { tokenId };
        await recordAudit(transaction, { ...entry("SignIn", operator), address, after });
      });
      context.responseHeader.append("set-cookie", setCookie);
      return { caller: callerMessage(operator, deps.version) };
    },

    async signOut(_request, context) {
      requireOwnOrigin(context, deps.publicUrls);
      context.responseHeader.append("set-cookie", NO_COOKIE);
      const idSha256 = readSessionCookie(context.requestHeader.get("cookie"));
      if (idSha256 === undefined) return {};
      const address = addressOf(context);
      const operator = await unlessOver(
        deps.operators.bySession(idSha256, { nowMs: deps.nowMs(), address }),
      );
      await db.transaction().execute(async (transaction) => {
        const isEnded = await deleteSession(transaction, idSha256);
        if (!isEnded || operator === undefined) return;
        await recordAudit(transaction, { ...entry("SignOut", operator), address, after: {} });
      });
      return {};
    },
  };
}

function entry(action: string, { name }: Operator) {
  return { actor: name, action, subject: "console" };
}

/** Undefined for a session that is over: signing out is done with then. */
async function unlessOver(operator: Promise<Operator>): Promise<Operator | undefined> {
  try {
    return await operator;
  } catch (cause) {
    if (cause instanceof OtaError && cause.kind === "CREDENTIAL_INVALID") return undefined;
    throw cause;
  }
}
