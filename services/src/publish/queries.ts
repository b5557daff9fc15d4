import { keyId } from "@nix-ota/proto/key-file";
import { sql } from "kysely";

import { HEAD_NOTIFICATION, type Db } from "../db/database.ts";
import type { ManifestIdentity } from "./publish-rule.ts";
import type { StoredPlan } from "./rollout-plan.ts";
import type { VerifiedManifest } from "./verify.ts";

/** A manifest as it is stored. */
export interface StoredManifest extends ManifestIdentity {
  readonly envelope: Uint8Array;
}

/** The manifests of a revision, held against others who add signatures to them. */
export async function lockManifests(
  db: Db,
  channel: string,
  revision: bigint,
): Promise<readonly StoredManifest[]> {
  const rows = await db
    .selectFrom("manifest")
    .where("channel", "=", channel)
    .where("revision", "=", revision)
    .orderBy("target")
    .select(["target", "payload_sha256", "envelope"])
    .forUpdate()
    .execute();
  return rows.map(({ target, payload_sha256, envelope }) => ({
    target,
    payloadSha256: payload_sha256,
    envelope,
  }));
}

/** Stores a release with its manifests. */
export async function insertRelease(
  db: Db,
  release: {
    readonly channel: string;
    readonly revision: bigint;
    readonly publishedBy: string;
    readonly manifests: readonly VerifiedManifest[];
    /** Undefined: the channel's. */
    readonly plan: StoredPlan | undefined;
  },
): Promise<void> {
  const { channel, revision, manifests, plan } = release;
  await db
    .insertInto("release")
    .values({ channel, revision, published_by: release.publishedBy })
    .execute();
  await db
    .insertInto("rollout")
    .values(({ selectFrom, val }) => ({
      channel,
      revision,
      device_timeout_ms: plan
        ? val(plan.deviceTimeoutMs)
        : selectFrom("channel").where("name", "=", channel).select("device_timeout_ms"),
    }))
    .execute();
  await db
    .insertInto("manifest")
    .values(
      manifests.map(({ manifest, envelope, payloadSha256 }) => ({
        channel,
        revision,
        target: manifest.target,
        envelope,
        payload_sha256: payloadSha256,
        system: manifest.system,
        store_path: manifest.storePath,
        closure_bytes: String(manifest.closureBytes),
        closure_digest: manifest.closureDigest.length === 0 ? null : manifest.closureDigest,
        issued_at_s: manifest.issuedAtS,
        not_after_s: manifest.notAfterS,
        message: storable(manifest.message),
        source_revision: storable(manifest.sourceRevision),
        next_channel: manifest.nextChannel,
      })),
    )
    .execute();
  await addSignatures(db, manifests);
}

/** PostgreSQL's text has no zero byte; the payload, which may, stays as it was signed. */
function storable(text: string): string {
  return text.replaceAll("\0", "\u{fffd}");
}

/** Notes which of the channel's keys signed; those known already are left out. */
export async function addSignatures(db: Db, manifests: readonly VerifiedManifest[]): Promise<void> {
  await db
    .insertInto("manifest_signature")
    .values(
      manifests.flatMap(({ manifest, signedBy }) =>
        signedBy.map((publicKey) => ({
          channel: manifest.channel,
          target: manifest.target,
          revision: manifest.revision,
          public_key: publicKey,
          key_id: keyId(publicKey),
        })),
      ),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Replaces an envelope by one with more signatures on the same payload. */
export async function replaceEnvelope(
  db: Db,
  manifest: VerifiedManifest["manifest"],
  envelope: Uint8Array,
): Promise<void> {
  await db
    .updateTable("manifest")
    .set({ envelope })
    .where("channel", "=", manifest.channel)
    .where("target", "=", manifest.target)
    .where("revision", "=", manifest.revision)
    .execute();
}

/** Stores a listing under its digest; one that is there stays. */
export async function insertListing(
  db: Db,
  digest: Uint8Array,
  content: Uint8Array,
): Promise<void> {
  await db
    .insertInto("listing")
    .values({ digest, content })
    .onConflict((conflict) => conflict.column("digest").doNothing())
    .execute();
}

/** Those of the digests whose listings are stored. */
export async function knownListings(
  db: Db,
  digests: readonly Uint8Array[],
): Promise<readonly Uint8Array[]> {
  if (digests.length === 0) return [];
  const rows = await db
    .selectFrom("listing")
    .where("digest", "in", digests)
    .select("digest")
    .execute();
  return rows.map(({ digest }) => digest);
}

/** Tells other processes of a head, once the transaction is committed. */
export async function announceHead(db: Db, channel: string): Promise<void> {
  await sql`select pg_notify(${HEAD_NOTIFICATION}, ${channel})`.execute(db);
}

/**
 * Devices of the channel that told which keys they pin and pin none of these.
 *
 * @param keyIds Hexadecimal.
 */
export async function findUnableDevices(
  db: Db,
  channel: string,
  keyIds: readonly string[],
  limit: number,
): Promise<readonly string[]> {
  const rows = await sql<{ id: string }>`
    select d.id from device d join device_status s on s.device_id = d.id
     where d.channel = ${channel} and d.standing = 'accepted'
       and cardinality(s.pinned_key_ids) > 0
       and not exists (select from jsonb_array_elements_text(${JSON.stringify(keyIds)}::text::jsonb) k
                        where k = any (s.pinned_key_ids))
     order by d.id limit ${limit}`.execute(db);
  return rows.rows.map(({ id }) => id);
}
