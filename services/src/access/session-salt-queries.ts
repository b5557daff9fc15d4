import type { Db } from "../db/database.ts";

/** What the database adds to the keys of device sessions; another one after it was restored. */
export async function findSessionSalt(db: Db): Promise<Uint8Array> {
  const { session_salt } = await db
    .selectFrom("installation")
    .select("session_salt")
    .executeTakeFirstOrThrow();
  return session_salt;
}
