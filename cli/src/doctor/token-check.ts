import type { GetCallerResponse } from "@nix-ota/proto/nixota/v1/access_service_pb";

import { relativeTime } from "../amounts.ts";
import { CliError } from "../cli-error.ts";
import type { Server } from "../client.ts";
import { momentMs } from "../moment.ts";
import { answerOf } from "../server-error.ts";
import { VERSION } from "../version.ts";
import type { Finding } from "./finding.ts";

/** A token that ends sooner is worth a word: night shifts and CI find out otherwise. */
const SOON_MS = 7 * 86_400_000;

/** Who the token is to the server, and whether both are of one version. */
export async function checkToken(
  server: Server,
  hasToken: boolean,
  nowMs: number,
): Promise<Finding[]> {
  if (!hasToken)
    return [
      {
        check: "token",
        verdict: "wrong",
        found: "none is given",
        remedy: "give --token-file, set NIX_OTA_TOKEN, or name a token file in the context",
      },
    ];
  try {
    const caller = await answerOf(server.access.getCaller({}), server.url);
    return [token(caller, nowMs), version(caller.serverVersion)];
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return [{ check: "token", verdict: "wrong", found: error.message, remedy: "" }];
  }
}

function token(caller: GetCallerResponse, nowMs: number): Finding {
  const endsMs = momentMs(caller.expiresAt);
  const ends = endsMs === undefined ? "never expires" : `expires ${relativeTime(endsMs, nowMs)}`;
  const scopes = caller.scopes.join(", ") || "no scope";
  const isEnding = endsMs !== undefined && endsMs - nowMs < SOON_MS;
  return {
    check: "token",
    verdict: isEnding || caller.scopes.length === 0 ? "warning" : "ok",
    found: `${caller.name}: ${scopes}; ${ends}`,
    remedy: isEnding ? "make the next one with nix-ota token create" : "",
  };
}

/** While it is 0.x, what changes the contract changes the second number. */
function version(serverVersion: string): Finding {
  const line = (text: string): string => text.split(".").slice(0, 2).join(".");
  const isSame = line(serverVersion) === line(VERSION);
  return {
    check: "version",
    verdict: isSame ? "ok" : "warning",
    found: `server ${serverVersion || "does not say"}, nix-ota ${VERSION}`,
    remedy: isSame ? "" : "use both of one version",
  };
}
