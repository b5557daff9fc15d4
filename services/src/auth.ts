import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import type { Logger } from "pino";

import type { PublishToken } from "./access/publish-token.ts";
import {
  isAdmin,
  mayOperate,
  mayPublish,
  mayPublishSomewhere,
  mayRead,
  maySeeChannel,
  type Scope,
} from "./access/scopes.ts";
import type { SessionKeys } from "./access/session-key-file.ts";
import { readSession, SESSION_PREFIX, type Session } from "./access/session-token.ts";
import { CALL } from "./call.ts";
import { answerTo } from "./errors.ts";
import { OtaError } from "./ota-error.ts";

/** Who calls. */
export type Caller =
  | { readonly kind: "operator"; readonly name: string; readonly scopes: readonly Scope[] }
  | { readonly kind: "device"; readonly session: Session }
  | { readonly kind: "nobody" };

/** What the server checks credentials against. */
export interface Credentials {
  /** Undefined: there is none, so no operator can call. */
  readonly publishToken: PublishToken | undefined;
  readonly sessionKeys: SessionKeys;
}

/** Where the caller stands in a call's context. */
export const CALLER = createContextKey<Caller>({ kind: "nobody" });

/** Calls by which a device comes to a credential. */
const WITHOUT_CREDENTIAL = new Set<string>([
  CheckinService.method.createChallenge.name,
  CheckinService.method.enrol.name,
  CheckinService.method.authenticate.name,
]);

/**
 * Finds out who calls, before anything of the body is read: a caller without a
 * credential gets no further and costs nothing.
 */
export function callerGate(credentials: Credentials, nowMs: () => number, log: Logger) {
  return (context: HandlerContext): void => {
    try {
      const caller = identify(context.requestHeader.get("authorization"), credentials, nowMs());
      if (caller.kind === "nobody" && !WITHOUT_CREDENTIAL.has(context.method.name)) {
        throw new OtaError(
          "CREDENTIAL_INVALID",
          "the call needs a credential: Authorization: Bearer",
        );
      }
      context.values.set(CALLER, caller);
    } catch (cause) {
      // The gate stands in front of the interceptor that does this for handlers.
      const { error, level } = answerTo(cause);
      const { requestId, address } = context.values.get(CALL);
      const call = `${context.service.typeName}/${context.method.name}`;
      log[level]({ requestId, call, address, reason: error.rawMessage }, "caller refused");
      error.metadata.set("x-request-id", requestId);
      throw error;
    }
  };
}

function identify(header: string | null, credentials: Credentials, nowMs: number): Caller {
  if (header === null) return { kind: "nobody" };
  const secret = /^Bearer +([^\s]{1,4096})$/i.exec(header)?.[1];
  if (secret?.startsWith(SESSION_PREFIX) === true) {
    const session = readSession(secret, credentials.sessionKeys, Math.floor(nowMs / 1000));
    if (session !== undefined) return { kind: "device", session };
    throw new OtaError(
      "CREDENTIAL_INVALID",
      "the session ended or is not this server's; authenticate again",
    );
  }
  if (secret !== undefined && credentials.publishToken?.matches(secret) === true) {
    return { kind: "operator", name: "publish-token", scopes: ["publish:*", "read"] };
  }
  throw new OtaError("CREDENTIAL_INVALID", "the credential is not known to this server");
}

/** Who calls. */
export function callerOf(context: HandlerContext): Caller {
  return context.values.get(CALLER);
}

/** Name for the audit. */
export function actorOf(caller: Caller): string {
  switch (caller.kind) {
    case "operator":
      return caller.name;
    case "device":
      return caller.session.deviceId;
    case "nobody":
      return "";
  }
}

/** @throws {OtaError} SCOPE_MISSING unless the caller may publish on the channel. */
export function requirePublish(context: HandlerContext, channel: string): void {
  requireScope(context, `publish:${channel}`, (scopes) => mayPublish(scopes, channel));
}

/** @throws {OtaError} SCOPE_MISSING unless the caller may publish on some channel. */
export function requirePublishSomewhere(context: HandlerContext): void {
  requireScope(context, "publish", mayPublishSomewhere);
}

/** @throws {OtaError} SCOPE_MISSING unless the caller may see the fleet. */
export function requireRead(context: HandlerContext): void {
  requireScope(context, "read", mayRead);
}

/** @throws {OtaError} SCOPE_MISSING unless the caller may see the channel: `read`, or who publishes on it or steers it. */
export function requireSeeChannel(context: HandlerContext, channel: string): void {
  requireScope(context, "read", (scopes) => maySeeChannel(scopes, channel));
}

/** @throws {OtaError} SCOPE_MISSING unless the caller may steer the channel and its devices. */
export function requireOperate(context: HandlerContext, channel: string): void {
  requireScope(context, `operate:${channel}`, (scopes) => mayOperate(scopes, channel));
}

/** @throws {OtaError} SCOPE_MISSING unless the caller is an admin. */
export function requireAdmin(context: HandlerContext): void {
  requireScope(context, "admin", isAdmin);
}

/** The caller's session. @throws {OtaError} SCOPE_MISSING unless a device calls. */
export function requireDevice(context: HandlerContext): Session {
  const caller = callerOf(context);
  if (caller.kind === "device") return caller.session;
  throw new OtaError("SCOPE_MISSING", "the call is for devices; it needs a device's session");
}

function requireScope(
  context: HandlerContext,
  name: string,
  allows: (scopes: readonly Scope[]) => boolean,
): void {
  const caller = callerOf(context);
  if (caller.kind === "operator" && allows(caller.scopes)) return;
  throw new OtaError("SCOPE_MISSING", `the call needs the scope ${name}`);
}
