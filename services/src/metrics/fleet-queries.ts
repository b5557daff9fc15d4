import { Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { sql } from "kysely";

import type { Db } from "../db/database.ts";

/** The fleet in numbers, at one moment. */
export interface FleetNumbers {
  /** Devices by standing. */
  readonly standings: ReadonlyMap<string, number>;
  /** Accepted devices by the number of the state that they reported last. */
  readonly states: ReadonlyMap<number, number>;
  /** Accepted devices that reported within so many seconds. */
  readonly seenWithin: ReadonlyMap<number, number>;
  /** By name, the first ones. */
  readonly channels: readonly ChannelNumbers[];
}

/** One channel in numbers. */
export interface ChannelNumbers {
  readonly name: string;
  readonly headRevision: number;
  /** Accepted devices that committed the head. */
  readonly onHead: number;
  /** Accepted devices that did not. */
  readonly behind: number;
  /** Attempts at the head by the number of their outcome; 0: under way. */
  readonly outcomes: ReadonlyMap<number, number>;
  /** From publish to committed, of the devices that have the head; undefined: none has. */
  readonly toApplied: { readonly medianS: number; readonly mostS: number } | undefined;
}

const SEEN_WITHIN_S = [300, 3600, 86_400];

/** Counts by SQL: loads no device. */
export async function countFleet(db: Db, mostChannels: number): Promise<FleetNumbers> {
  const devices = await sql<{ standing: string; state: number; count: number; seen: number[] }>`
    select d.standing, coalesce(s.state, 0) as state, count(*)::int as count,
           json_build_array(${sql.join(
             SEEN_WITHIN_S.map(
               (within) => sql`(count(*) filter (
                 where s.last_seen_at > now() - ${sql.lit(within)} * interval '1 second'))::int`,
             ),
           )}) as seen
      from device d left join device_status s on s.device_id = d.id
     group by 1, 2`.execute(db);
  const channels = await sql<{
    name: string;
    head_revision: bigint;
    on_head: number;
    behind: number;
    outcome: number | null;
    attempts: number;
    median_s: number | null;
    most_s: number | null;
  }>`
    with named as (
      select name, head_revision from channel order by name limit ${mostChannels}
    ), devices as (
      select d.channel, (count(*) filter (where s.committed_revision >= n.head_revision))::int as on_head,
             count(*)::int as count
        from named n join device d on d.channel = n.name
        left join device_status s on s.device_id = d.id
       where d.standing = 'accepted' and n.head_revision > 0
       group by 1
    ), attempts as (
      select a.channel, a.outcome, count(*)::int as count,
             percentile_cont(0.5) within group (
               order by extract(epoch from a.changed_at - r.published_at)::float8) as median_s,
             max(extract(epoch from a.changed_at - r.published_at)::float8) as most_s
        from named n join attempt a on a.channel = n.name and a.revision = n.head_revision
        join release r on r.channel = a.channel and r.revision = a.revision
       group by 1, 2
    )
    select n.name, n.head_revision, coalesce(d.on_head, 0) as on_head,
           coalesce(d.count - d.on_head, 0) as behind, a.outcome,
           coalesce(a.count, 0) as attempts, a.median_s, a.most_s
      from named n left join devices d on d.channel = n.name
      left join attempts a on a.channel = n.name
     order by n.name`.execute(db);
  const accepted = devices.rows.filter(({ standing }) => standing === "accepted");
  return {
    standings: summed(devices.rows.map(({ standing, count }) => [standing, count])),
    states: summed(accepted.map(({ state, count }) => [state, count])),
    seenWithin: new Map(
      SEEN_WITHIN_S.map((within, place) => [
        within,
        accepted.reduce((sum, { seen }) => sum + (seen[place] ?? 0), 0),
      ]),
    ),
    channels: [...Map.groupBy(channels.rows, ({ name }) => name).values()].flatMap((rows) => {
      const [first] = rows;
      if (first === undefined) return [];
      const applied = rows.find(({ outcome }) => outcome === Outcome.APPLIED);
      return [
        {
          name: first.name,
          headRevision: Number(first.head_revision),
          onHead: first.on_head,
          behind: first.behind,
          outcomes: new Map(
            rows.flatMap(({ outcome, attempts }) =>
              outcome === null ? [] : [[outcome, attempts] as const],
            ),
          ),
          toApplied: applied && timesOf(applied),
        },
      ];
    }),
  };
}

function timesOf(row: {
  readonly median_s: number | null;
  readonly most_s: number | null;
}): ChannelNumbers["toApplied"] {
  const { median_s: medianS, most_s: mostS } = row;
  return medianS === null || mostS === null ? undefined : { medianS, mostS };
}

function summed<K>(counts: readonly (readonly [K, number])[]): ReadonlyMap<K, number> {
  const sums = new Map<K, number>();
  for (const [key, count] of counts) sums.set(key, (sums.get(key) ?? 0) + count);
  return sums;
}
