import type { Db } from "../db/database.ts";
import { NO_OUTCOMES, outcomesOf } from "./outcome-queries.ts";
import { rolloutColumns, storedRollout } from "./rollout-queries.ts";
import type { StoredRelease, StoredReleaseManifest } from "./stored-release.ts";

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
    .innerJoin("rollout", (join) =>
      join
        .onRef("rollout.channel", "=", "release.channel")
        .onRef("rollout.revision", "=", "release.revision"),
    )
    .where("release.channel", "=", channel)
    .orderBy("release.revision", "desc")
    .select(["release.published_by", "release.published_at"])
    .select(rolloutColumns);
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
    rollout: storedRollout(row),
    manifests: manifests.get(row.revision) ?? [],
    outcomes: outcomes.get(row.revision) ?? NO_OUTCOMES,
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
