import type { ServiceImpl } from "@connectrpc/connect";
import type { CheckinService, FleetSummary } from "@nix-ota/proto/nixota/v1/checkin_service_pb";

import { requireRead } from "../auth.ts";
import { makeCursor, readCursor } from "../cursor.ts";
import type { Deps } from "../deps.ts";
import { requireFilter, type DeviceFilter } from "./device-filter.ts";
import { deviceMessage } from "./device-message.ts";
import { findDevices } from "./device-queries.ts";
import { SILENT_INTERVALS } from "./explain.ts";
import { fleetSummary } from "./fleet-counts.ts";
import { countFleet } from "./fleet-queries.ts";

type FleetCalls = Pick<ServiceImpl<typeof CheckinService>, "listDevices" | "getFleetSummary">;

const PAGE_SIZE = 50;

/** The calls about sets of devices. */
export function fleetCalls(deps: Deps): FleetCalls {
  return {
    async listDevices({ filter: text, pageSize, cursor }, context) {
      requireRead(context);
      const filter = requireFilter(text);
      const limit = pageSize === 0 ? PAGE_SIZE : pageSize;
      const [after = ""] = readCursor("ListDevices", cursor, 1) ?? [];
      const nowMs = deps.nowMs();
      const devices = await findDevices(deps.db, { after, limit, filter, nowMs });
      const last = devices.length === limit ? devices.at(-1)?.id : undefined;
      return {
        devices: devices.map((device) => deviceMessage(device, nowMs)),
        nextCursor: last === undefined ? "" : makeCursor("ListDevices", [last]),
      };
    },

    async getFleetSummary({ filter }, context) {
      requireRead(context);
      return { summary: await summarizeFleet(deps, requireFilter(filter)) };
    },
  };
}

/** Counts of the devices that a filter finds, as they are at this moment. */
export async function summarizeFleet(
  { db, nowMs, checkInIntervalMs }: Pick<Deps, "db" | "nowMs" | "checkInIntervalMs">,
  filter: DeviceFilter,
): Promise<FleetSummary> {
  const onlineForMs = SILENT_INTERVALS * checkInIntervalMs;
  return fleetSummary(await countFleet(db, { filter, nowMs: nowMs(), onlineForMs }));
}
