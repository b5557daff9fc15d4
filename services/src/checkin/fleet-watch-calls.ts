import { equals } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  FleetSummarySchema,
  type CheckinService,
  type FleetSummary,
} from "@nix-ota/proto/nixota/v1/checkin_service_pb";

import { requireRead } from "../auth.ts";
import { endWithCall } from "../call.ts";
import type { Deps } from "../deps.ts";
import { requireFilter } from "./device-filter.ts";
import { summarizeFleet } from "./fleet-calls.ts";
import { fleetRestMs } from "./fleet-rest.ts";

/** The call by which operators follow the fleet. */
export function fleetWatchCalls(
  deps: Deps,
): Pick<ServiceImpl<typeof CheckinService>, "watchFleet"> {
  return {
    async *watchFleet({ filter: text }, context) {
      const caller = requireRead(context);
      const filter = requireFilter(text);
      const stream = deps.feed.watch(caller, new Set());
      endWithCall(stream, context.signal);
      let told: FleetSummary | undefined;
      let toldAtMs = deps.nowMs();
      for (;;) {
        const beganMs = deps.nowMs();
        const summary = await summarizeFleet(deps, filter);
        const nowMs = deps.nowMs();
        if (told === undefined || !equals(FleetSummarySchema, told, summary)) {
          [told, toldAtMs] = [summary, nowMs];
          yield { summary };
        } else if (Math.abs(nowMs - toldAtMs) >= deps.heartbeatMs) {
          // Either way: a clock that was set back is no reason for silence.
          toldAtMs = nowMs;
          yield {};
        }
        await stream.changes(fleetRestMs(nowMs - beganMs));
      }
    },
  };
}
