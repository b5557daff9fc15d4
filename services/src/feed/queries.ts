import { sql } from "kysely";

import type { Db } from "../db/database.ts";
import type { Standing } from "../standing.ts";
import type { Versions } from "./channel-versions.ts";
import type { FeedFacts } from "./fan-out.ts";

/** Version of every channel. */
export async function findVersions(db: Db): Promise<Versions> {
  const rows = await db.selectFrom("channel").select(["name", "version"]).execute();
  return new Map(rows.map(({ name, version }) => [name, version]));
}

/** What many devices are decided by, all read at one moment; each head is looked up once. */
export async function findFeedFacts(
  db: Db,
  deviceIds: readonly string[],
): Promise<ReadonlyMap<string, FeedFacts>> {
  const result = await sql<{
    id: string;
    channel: string;
    target: string;
    standing: Standing;
    system: string;
    key_epoch: number;
    sequence: bigint;
    floor_revision: bigint;
    committed_revision: bigint;
    quarantined_revisions: bigint[];
    retry_revision: bigint;
    pinned_revision: bigint;
    head_revision: bigint | null;
    paused: boolean;
    manifest_revision: bigint | null;
    payload_sha256: Uint8Array;
    manifest_system: string;
    rollout_paused: boolean;
  }>`
    with asked as materialized (
      select d.id, d.channel, d.target, d.standing, d.system, d.key_epoch, d.retry_revision,
             d.pinned_revision,
             case when s.key_epoch = d.key_epoch then s.sequence else 0 end as sequence,
             coalesce(s.floor_revision, 0) as floor_revision,
             coalesce(s.committed_revision, 0) as committed_revision,
             coalesce(s.quarantined_revisions, '{}') as quarantined_revisions
        from jsonb_array_elements_text(${JSON.stringify(deviceIds)}::text::jsonb) as i(id)
        join device d on d.id = i.id
        left join device_status s on s.device_id = d.id
    ), heads as materialized (
      select g.channel, g.target, g.pinned_revision, c.head_revision, c.paused,
             m.revision, m.payload_sha256, m.system,
             r.state is not distinct from 'paused' as rollout_paused
        from (select distinct channel, target, pinned_revision from asked) g
        join channel c on c.name = g.channel
        left join lateral (
          select revision, payload_sha256, system from manifest
           where channel = g.channel and target = g.target
             and revision <= least(c.head_revision, nullif(g.pinned_revision, 0))
           order by revision desc limit 1) m on true
        left join rollout r on r.channel = g.channel and r.revision = m.revision
    )
    select a.*, h.head_revision, h.paused, h.revision as manifest_revision, h.payload_sha256,
           h.system as manifest_system, h.rollout_paused
      from asked a
      left join heads h on h.channel = a.channel and h.target = a.target
                        and h.pinned_revision = a.pinned_revision`.execute(db);
  return new Map(
    result.rows.map((row) => [
      row.id,
      {
        device: {
          channel: row.channel,
          target: row.target,
          standing: row.standing,
          system: row.system,
          floorRevision: row.floor_revision,
          committedRevision: row.committed_revision,
          quarantinedRevisions: row.quarantined_revisions,
          retryRevision: row.retry_revision,
          pinnedRevision: row.pinned_revision,
        },
        keyEpoch: row.key_epoch,
        sequence: row.sequence,
        head:
          row.head_revision === null
            ? undefined
            : {
                headRevision: row.head_revision,
                paused: row.paused,
                manifest:
                  row.manifest_revision === null
                    ? undefined
                    : {
                        revision: row.manifest_revision,
                        payloadSha256: row.payload_sha256,
                        system: row.manifest_system,
                        rolloutPaused: row.rollout_paused,
                      },
              },
      },
    ]),
  );
}
