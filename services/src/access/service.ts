import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";

import { actorOf, callerOf } from "../auth.ts";
import type { Deps } from "../deps.ts";
import { enrolmentTokenCalls } from "./enrolment-token-calls.ts";

/** What AccessService does; the contract says what each call promises. */
export function accessService(deps: Deps): Partial<ServiceImpl<typeof AccessService>> {
  return {
    ...enrolmentTokenCalls(deps),

    getCaller(_request, context) {
      const caller = callerOf(context);
      const scopes = caller.kind === "operator" ? [...caller.scopes] : [];
      const answer = { name: actorOf(caller), scopes, serverVersion: deps.version };
      if (caller.kind !== "device") return answer;
      return { ...answer, expiresAt: timestampFromMs(caller.session.expiresAtS * 1000) };
    },
  };
}
