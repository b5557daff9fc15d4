import { sql } from "kysely";

import type { Db } from "../db/database.ts";
import type { StoredOutcomes, StoredRelease, StoredReleaseManifest } from "./stored-release.ts";

/** Whether there is such a channel. */
export async function channelExists(db: Db, channel: string): Promise<boolean> {
  const row = await db
    .selectFrom("channel")
    .where("name", "=", channel)
    .select("name")
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Releases of a channel, highest revision first.
 *
 * @param range `exactly` one revision (0: the head), or those `below` one (0: all).
 */
export async function findReleases(
  db: Db,
  channel: string,
  range: { readonly exactly: bigint } | { readonly below: bigint; readonly limit: number },
): Promise<readonly StoredRelease[]> {
  let query = db
    .selectFrom("release")
    .innerJoin("channel", "channel.name", "release.channel")
    .where("release.channel", "=", channel)
    .orderBy("release.revision", "desc")
    .select([
      "release.revision",
      "release.published_by",
      "release.published_at",
      "channel.head_revision",
      "channel.paused",
    ]);
  if ("exactly" in range) {
    query =
      range.exactly === 0n
        ? query.whereRef("release.revision", "=", "channel.head_revision")
        : query.where("release.revision", "=", range.exactly);
  } else {
    if (range.below > 0n) query = query.where("release.revision", "<", range.below);
    query = query.limit(range.limit);
  }
  const rows = await query.execute();
  if (rows.length === 0) return [];
  const revisions = rows.map(({ revision }) => revision);
  const manifests = await manifestsOf(db, channel, revisions, "exactly" in range);
  const outcomes = await outcomesOf(db, channel, revisions);
  return rows.map((row) => ({
    channel,
    revision: row.revision,
    publishedBy: row.published_by,
    publishedAt: row.published_at,
    isHead: row.revision === row.head_revision,
    paused: row.paused,
    manifests: manifests.get(row.revision) ?? [],
    outcomes: outcomes.get(row.revision) ?? NONE,
  }));
}

const COLUMNS = [
  "revision",
  "target",
  "payload_sha256",
  "system",
  "store_path",
  "closure_bytes",
  "closure_digest",
  "issued_at_s",
  "not_after_s",
  "message",
  "source_revision",
] as const;

async function manifestsOf(
  db: Db,
  channel: string,
  revisions: readonly bigint[],
  withEnvelopes: boolean,
): Promise<Map<bigint, StoredReleaseManifest[]>> {
  const rows = await db
    .selectFrom("manifest")
    .where("channel", "=", channel)
    .where("revision", "in", revisions)
    .orderBy("target")
    .select(COLUMNS)
    .$if(withEnvelopes, (query) => query.select("envelope"))
    .execute();
  const signatures = await db
    .selectFrom("manifest_signature")
    .where("channel", "=", channel)
    .where("revision", "in", revisions)
    .orderBy("key_id")
    .select(["target", "revision", "key_id"])
    .execute();
  const keyIds = Map.groupBy(signatures, ({ target, revision }) => `${revision} ${target}`);
  const manifests = rows.map((row) => ({
    revision: row.revision,
    target: row.target,
    envelope: row.envelope ?? new Uint8Array(),
    payloadSha256: row.payload_sha256,
    system: row.system,
    storePath: row.store_path,
    closureBytes: BigInt(row.closure_bytes),
    closureDigest: row.closure_digest ?? new Uint8Array(),
    issuedAtS: row.issued_at_s,
    notAfterS: row.not_after_s,
    message: row.message,
    sourceRevision: row.source_revision,
    keyIds: (keyIds.get(`${row.revision} ${row.target}`) ?? []).map(({ key_id }) => key_id),
  }));
  return Map.groupBy(manifests, ({ revision }) => revision);
}

const NONE: StoredOutcomes = {
  applied: 0n,
  rolledBack: 0n,
  failed: 0n,
  inProgress: 0n,
  outstanding: 0n,
};

/**
 * Counts devices, each by its newest attempt at the revision. Outstanding are
 * those of the channel that have no attempt at it and are not past it.
 */
async function outcomesOf(
  db: Db,
  channel: string,
  revisions: readonly bigint[],
): Promise<Map<bigint, StoredOutcomes>> {
  const wanted = JSON.stringify(revisions.map(String));
  const rows = await sql<{ revision: bigint; outcome: number | null; devices: bigint }>`
    with wanted as (
      select value::bigint as revision from jsonb_array_elements_text(${wanted}::text::jsonb) as value
    ), newest as (
      select distinct on (a.revision, a.device_id) a.revision, a.device_id, a.outcome
        from attempt a join wanted w on w.revision = a.revision
       where a.channel = ${channel}
       order by a.revision, a.device_id, a.first_reported_at desc, a.attempt_id desc
    )
    select revision, outcome, count(*) as devices from newest group by 1, 2
    union all
    select w.revision, null, count(d.id)
      from wanted w cross join device d left join device_status s on s.device_id = d.id
     where d.channel = ${channel} and coalesce(s.committed_revision, 0) < w.revision
       and not exists (select from newest n where n.revision = w.revision and n.device_id = d.id)
     group by 1`.execute(db);
  const counts = new Map<bigint, StoredOutcomes>();
  for (const { revision, outcome, devices } of rows.rows) {
    const before = counts.get(revision) ?? NONE;
    const field = outcome === null ? "outstanding" : FIELD_OF_OUTCOME[outcome];
    // An outcome of a later contract: counted nowhere rather than wrongly.
    if (field === undefined) continue;
    counts.set(revision, { ...before, [field]: before[field] + devices });
  }
  return counts;
}

/** By the number of the contract's Outcome. An interrupted or superseded attempt is no verdict. */
const FIELD_OF_OUTCOME: Readonly<Record<number, keyof StoredOutcomes>> = {
  0: "inProgress",
  1: "applied",
  2: "rolledBack",
  3: "failed",
  4: "outstanding",
  5: "outstanding",
  6: "outstanding",
  7: "failed",
};
