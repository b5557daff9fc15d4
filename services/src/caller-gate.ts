import type { DescMethod } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import type { Logger } from "pino";

import type { Caller } from "./access/caller.ts";
import { readSessionCookie } from "./access/console-session.ts";
import type { OperatorCheck } from "./access/operator-check.ts";
import type { SessionKeys } from "./access/session-key-file.ts";
import { readSession, SESSION_PREFIX } from "./access/session-token.ts";
import { CALLER, requireOwnOrigin } from "./auth.ts";
import type { CallLimits } from "./call-limits.ts";
import { CALL } from "./call.ts";
import { answerTo } from "./errors.ts";
import { OtaError } from "./ota-error.ts";

/** What finds out who calls. */
export interface GateParts {
  readonly operators: OperatorCheck;
  /** Those of the moment at which it is read. */
  readonly sessionKeys: SessionKeys;
  readonly limits: CallLimits;
  /** Whose origins the console's pages have. */
  readonly publicUrls: ReadonlySet<string>;
  readonly nowMs: () => number;
  readonly log: Logger;
}

const namesOf = (methods: readonly DescMethod[]): ReadonlySet<string> =>
  new Set(methods.map(({ parent, name }) => `${parent.typeName}/${name}`));

/** Calls by which a device comes to a credential. */
const { createChallenge, enrol, authenticate } = CheckinService.method;
const PROOFS = namesOf([createChallenge, enrol, authenticate]);

/** Calls by which a person comes to a cookie and ends it: they look themselves at what they are given. */
const CONSOLE = namesOf([AccessService.method.signIn, AccessService.method.signOut]);

/**
 * Finds out who calls, before anything of the body is read: a caller without a
 * credential gets no further and costs nothing.
 */
export function callerGate(parts: GateParts) {
  return async (context: HandlerContext): Promise<void> => {
    const call = `${context.service.typeName}/${context.method.name}`;
    try {
      if (PROOFS.has(call)) await parts.limits.proof(context.values.get(CALL).address);
      if (PROOFS.has(call) || CONSOLE.has(call)) return;
      context.values.set(CALLER, await identify(context, parts));
    } catch (cause) {
      // The gate stands in front of the interceptor that does this for handlers.
      const { error, level } = answerTo(cause);
      const { requestId, address } = context.values.get(CALL);
      // The first one of a flood is told by the limits.
      const isFlood = cause instanceof OtaError && cause.kind === "OVERLOADED";
      parts.log[isFlood ? "debug" : level](
        { requestId, call, address, reason: error.rawMessage },
        "caller refused",
      );
      error.metadata.set("x-request-id", requestId);
      throw error;
    }
  };
}

async function identify(context: HandlerContext, parts: GateParts): Promise<Caller> {
  const { requestHeader, values } = context;
  const header = requestHeader.get("authorization");
  const asked = { nowMs: parts.nowMs(), address: values.get(CALL).address };
  const session = header === null ? readSessionCookie(requestHeader.get("cookie")) : undefined;
  if (session !== undefined) {
    requireOwnOrigin(context, parts.publicUrls);
    return await parts.operators.bySession(session, asked);
  }
  if (header === null) {
    throw new OtaError("CREDENTIAL_INVALID", "the call needs a credential: Authorization: Bearer");
  }
  const bearer = /^Bearer +([^\s]{1,4096})$/i.exec(header)?.[1];
  if (bearer === undefined) {
    throw new OtaError("CREDENTIAL_INVALID", "the credential is not in the form: Bearer <token>");
  }
  return bearer.startsWith(SESSION_PREFIX)
    ? await deviceOf(bearer, parts, asked.nowMs)
    : await parts.operators.byToken(bearer, asked);
}

async function deviceOf(bearer: string, parts: GateParts, nowMs: number): Promise<Caller> {
  const session = readSession(bearer, parts.sessionKeys, Math.floor(nowMs / 1000));
  if (session !== undefined) {
    await parts.limits.device(session.deviceId);
    return { kind: "device", session };
  }
  throw new OtaError(
    "CREDENTIAL_INVALID",
    "the session ended or is not this server's; authenticate again",
  );
}
