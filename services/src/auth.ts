import { createContextKey, type HandlerContext } from "@connectrpc/connect";

import type { Caller, Operator } from "./access/caller.ts";
import { isOwnOrigin } from "./access/own-origin.ts";
import {
  isAdmin,
  mayOperate,
  mayPublish,
  mayPublishSomewhere,
  mayRead,
  maySeeChannel,
  type Scope,
} from "./access/scopes.ts";
import type { Session } from "./access/session-token.ts";
import { OtaError } from "./ota-error.ts";

/** Where the caller stands in a call's context. */
export const CALLER = createContextKey<Caller>({ kind: "nobody" });

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
export function requireRead(context: HandlerContext): Operator {
  return requireScope(context, "read", mayRead);
}

/** @throws {OtaError} SCOPE_MISSING unless the caller may see the channel: `read`, or who publishes on it or steers it. */
export function requireSeeChannel(context: HandlerContext, channel: string): void {
  requireScope(context, "read", (scopes) => maySeeChannel(scopes, channel));
}

/** @throws {OtaError} SCOPE_MISSING unless the caller may steer the channel and its devices. */
export function requireOperate(context: HandlerContext, channel: string): void {
  requireScope(context, `operate:${channel}`, (scopes) => mayOperate(scopes, channel));
}

/** The admin who calls. @throws {OtaError} SCOPE_MISSING unless one does. */
export function requireAdmin(context: HandlerContext): Operator {
  return requireScope(context, "admin", isAdmin);
}

/** @throws {OtaError} ORIGIN_REFUSED unless the request comes from the console's own pages. */
export function requireOwnOrigin(
  { requestHeader, requestMethod }: HandlerContext,
  publicUrls: Iterable<string>,
): void {
  const request = {
    method: requestMethod,
    origin: requestHeader.get("origin"),
    fetchSite: requestHeader.get("sec-fetch-site"),
    contentType: requestHeader.get("content-type"),
  };
  if (isOwnOrigin(request, publicUrls)) return;
  throw new OtaError(
    "ORIGIN_REFUSED",
    "the call did not come from the console's own pages; programs send Authorization: Bearer instead of a cookie",
  );
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
): Operator {
  const caller = callerOf(context);
  if (caller.kind === "operator" && allows(caller.scopes)) return caller;
  throw new OtaError("SCOPE_MISSING", `the call needs the scope ${name}`);
}
