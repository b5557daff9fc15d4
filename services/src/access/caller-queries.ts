import { sql } from "kysely";

import type { Db } from "../db/database.ts";
import type { Standing } from "../standing.ts";
import type { TokenTimes } from "./token-standing.ts";

/** Until when each of the tokens works, by its id; those that are gone are left out. */
export async function findTokenTimes(
  db: Db,
  ids: readonly string[],
): Promise<ReadonlyMap<string, TokenTimes>> {
  const rows = await db
    .selectFrom("operator_token")
    .where(amongTexts("id", ids))
    .select(["id", "expires_at", "revoked_at", "suspended_at"])
    .execute();
  return new Map(
    rows.map((row) => [
      row.id,
      {
        expiresAt: row.expires_at ?? undefined,
        revokedAt: row.revoked_at ?? undefined,
        suspendedAt: row.suspended_at ?? undefined,
      },
    ]),
  );
}

/** What of a device decides about its sessions. */
export interface DeviceAccess {
  readonly standing: Standing;
  readonly keyEpoch: number;
}

/** The access of each device by its id; those that are gone are left out. */
export async function findDeviceAccess(
  db: Db,
  ids: readonly string[],
): Promise<ReadonlyMap<string, DeviceAccess>> {
  const rows = await db
    .selectFrom("device")
    .where(amongTexts("id", ids))
    .select(["id", "standing", "key_epoch"])
    .execute();
  return new Map(
    rows.map(({ id, standing, key_epoch }) => [id, { standing, keyEpoch: key_epoch }]),
  );
}

/** One parameter however many there are: a statement takes 65 535, and is prepared once. */
function amongTexts(column: string, texts: readonly string[]) {
  return sql<boolean>`${sql.ref(column)} in
    (select jsonb_array_elements_text(${JSON.stringify(texts)}::text::jsonb))`;
}
