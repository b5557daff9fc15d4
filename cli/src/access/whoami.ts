import type { GetCallerResponse } from "@nix-ota/proto/nixota/v1/access_service_pb";

import { relativeTime } from "../amounts.ts";
import type { Host } from "../host.ts";
import { momentMs, momentText } from "../moment.ts";
import { fieldsText } from "../print-fields.ts";
import { answerOf } from "../server-error.ts";
import { openSession, type SessionOptions } from "../session.ts";
import { safeText } from "../terminal-text.ts";

/** Prints who the server takes the caller for. */
export async function whoami(options: SessionOptions, host: Host): Promise<void> {
  const { server, output, context } = await openSession(options, host);
  const caller = await answerOf(server.access.getCaller({}), server.url);
  output.result({ ...callerDocument(caller), server: server.url }, () =>
    fieldsText(
      [
        ["name", safeText(caller.name)],
        ["scopes", caller.scopes.map((scope) => safeText(scope)).join(", ") || "none"],
        ["expires", expiryText(caller, host.now())],
        ["server", server.url],
        ["version", safeText(caller.serverVersion)],
        ["context", context?.name ?? ""],
      ],
      output,
    ),
  );
}

/** A caller for a program. */
function callerDocument(caller: GetCallerResponse) {
  return {
    name: caller.name,
    scopes: caller.scopes,
    expiresAt: momentText(caller.expiresAt),
    serverVersion: caller.serverVersion,
  };
}

function expiryText({ expiresAt }: GetCallerResponse, nowMs: number): string {
  const at = momentText(expiresAt);
  return at === null ? "never" : `${relativeTime(momentMs(expiresAt), nowMs)} (${at})`;
}
