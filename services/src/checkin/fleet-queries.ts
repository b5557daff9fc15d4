import { sql } from "kysely";

import type { Db } from "../db/database.ts";
import { conditionOf } from "./device-condition.ts";
import type { DeviceFilter } from "./device-filter.ts";
import type { FleetCounts } from "./fleet-counts.ts";

/**
 * Revisions, and states, that are counted apart: devices tell theirs, and each
 * could tell another. Those with the most devices are kept.
 */
const MOST_GROUPS = 1000;

/**
 * Counts the devices that a filter finds, in one pass over them.
 *
 * @param fleet `onlineForMs`: a device that reported within it is online.
 */
export async function countFleet(
  db: Db,
  fleet: { readonly filter: DeviceFilter; readonly nowMs: number; readonly onlineForMs: number },
): Promise<FleetCounts> {
  const { filter, nowMs, onlineForMs } = fleet;
  const { rows } = await sql<{
    kind: "all" | "revision" | "state";
    channel: string | null;
    revision: bigint | null;
    state: number | null;
    devices: bigint;
    online: bigint;
  }>`
    with found as (
      select d.channel, coalesce(s.committed_revision, 0) as revision,
             coalesce(s.state, 0) as state,
             coalesce(s.last_seen_at >= ${new Date(nowMs - onlineForMs)}::timestamptz, false)
               as is_online
        from device d left join device_status s on s.device_id = d.id
       where ${conditionOf(filter, nowMs)}
    ), counted as (
      select case when grouping(channel) = 0 then 'revision'
                  when grouping(state) = 0 then 'state' else 'all' end as kind,
             channel, revision, state, count(*) as devices,
             count(*) filter (where is_online) as online
        from found group by grouping sets ((), (channel, revision), (state))
    ), placed as (
      select *, row_number() over (
               partition by kind order by devices desc, channel, revision, state) as place
        from counted
    )
    select kind, channel, revision, state, devices, online from placed
     where place <= ${MOST_GROUPS} order by channel collate "C", revision, state`.execute(db);
  const all = rows.find(({ kind }) => kind === "all");
  return {
    devices: all?.devices ?? 0n,
    online: all?.online ?? 0n,
    revisions: rows.flatMap(({ kind, channel, revision, devices }) =>
      kind === "revision" && channel !== null && revision !== null
        ? [{ channel, revision, devices }]
        : [],
    ),
    states: rows.flatMap(({ kind, state, devices }) =>
      kind === "state" && state !== null ? [{ state, devices }] : [],
    ),
  };
}
