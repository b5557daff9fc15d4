import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  GetCallerResponseSchema,
  type GetCallerResponse,
} from "@nix-ota/proto/nixota/v1/access_service_pb";

import type { Caller } from "./caller.ts";

/** A caller as they see themselves. */
export function callerMessage(caller: Caller, serverVersion: string): GetCallerResponse {
  switch (caller.kind) {
    case "nobody":
      return create(GetCallerResponseSchema, { serverVersion });
    case "device":
      return create(GetCallerResponseSchema, {
        name: caller.session.deviceId,
        expiresAt: timestampFromMs(caller.session.expiresAtS * 1000),
        serverVersion,
      });
    case "operator":
      return create(GetCallerResponseSchema, {
        name: caller.name,
        scopes: [...caller.scopes],
        ...(caller.expiresAtMs === undefined
          ? {}
          : { expiresAt: timestampFromMs(caller.expiresAtMs) }),
        serverVersion,
      });
  }
}
