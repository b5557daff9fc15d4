import type { ServiceImpl } from "@connectrpc/connect";
import type { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";

import { callerOf } from "../auth.ts";
import type { Deps } from "../deps.ts";
import { auditCalls } from "./audit-calls.ts";
import { callerMessage } from "./caller-message.ts";
import { consoleCalls } from "./console-calls.ts";
import { enrolmentTokenCalls } from "./enrolment-token-calls.ts";
import { tokenCalls } from "./token-calls.ts";

/** What AccessService does; the contract says what each call promises. */
export function accessService(deps: Deps): Partial<ServiceImpl<typeof AccessService>> {
  return {
    ...auditCalls(deps),
    ...consoleCalls(deps),
    ...tokenCalls(deps),
    ...enrolmentTokenCalls(deps),

    getCaller(_request, context) {
      return callerMessage(callerOf(context), deps.version);
    },
  };
}
