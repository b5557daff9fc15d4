import { sql } from "kysely";

import type { Db } from "../db/database.ts";

/** A manifest with the listing that it pins. */
export interface ListedManifest {
  readonly revision: bigint;
  /** Null: it pins none. */
  readonly digest: Uint8Array | null;
  /** Null: it pins none, or the server does not have it. */
  readonly listing: Uint8Array | null;
}

/**
 * The manifest of a target `at` a revision, or the newest one `below` it.
 *
 * @param place `at` 0: the newest up to the head.
 */
export async function findListed(
  db: Db,
  channel: string,
  target: string,
  place: { readonly at: bigint } | { readonly below: bigint },
): Promise<ListedManifest | undefined> {
  const where =
    "below" in place
      ? sql`m.revision < ${String(place.below)}::text::bigint`
      : place.at === 0n
        ? sql`true`
        : sql`m.revision = ${String(place.at)}::text::bigint`;
  const rows = await sql<ListedManifest>`
    select m.revision, m.closure_digest as digest, l.content as listing
      from manifest m
      join channel c on c.name = m.channel and m.revision <= c.head_revision
      left join listing l on l.digest = m.closure_digest
     where m.channel = ${channel} and m.target = ${target} and ${where}
     order by m.revision desc limit 1`.execute(db);
  return rows.rows[0];
}
