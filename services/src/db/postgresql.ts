import { Kysely } from "kysely";
import { PostgresJSDialect } from "kysely-postgres-js";
import postgres from "postgres";

import type { Database } from "./database.ts";
import { INT8_OID, type Store } from "./store.ts";

const MAX_CONNECTIONS = 10;
const CONNECT_LIMIT_S = 10;
const END_LIMIT_S = 5;
// Beyond these PostgreSQL ends the statement or session by itself, so that no
// caller and no lock waits for ever.
const STATEMENT_LIMIT_MS = 15_000;
const IDLE_TRANSACTION_LIMIT_MS = 30_000;

/**
 * PostgreSQL 15 or later by its URL. Connects at the first query.
 *
 * Two habits of the driver matter to queries: a JSON parameter is passed as
 * `${text}::text::jsonb` (given as jsonb it would be encoded twice), and arrays
 * only inside such JSON (nulls and non-text members would be corrupted).
 */
export function openPostgresql(url: string, warn: (notice: string) => void): Store {
  const sql = postgres(url, {
    max: MAX_CONNECTIONS,
    connect_timeout: CONNECT_LIMIT_S,
    onnotice: (notice) => warn(String(notice["message"])),
    types: {
      bigint: {
        to: INT8_OID,
        from: [INT8_OID],
        serialize: (value: bigint) => value.toString(),
        parse: (text: string) => BigInt(text),
      },
    },
    connection: {
      application_name: "nix-ota-server",
      statement_timeout: STATEMENT_LIMIT_MS,
      idle_in_transaction_session_timeout: IDLE_TRANSACTION_LIMIT_MS,
    },
  });
  const use = { inUse: 0, waiting: 0 };
  const counted = countingReserve(sql, use);
  return {
    db: new Kysely<Database>({ dialect: new PostgresJSDialect({ postgres: counted }) }),
    pool: () => ({ ...use, size: MAX_CONNECTIONS }),
    kind: "postgresql",
    // What its administrator set: synchronous_commit is on by default.
    durable: true,
    async listen(notification, heard) {
      const { unlisten } = await sql.listen(notification, heard, heard);
      return unlisten;
    },
    async maintain() {
      // PostgreSQL's own processes vacuum and checkpoint.
    },
    async close() {
      await sql.end({ timeout: END_LIMIT_S });
    },
  };
}

/** The driver, which does not say itself how many of its connections are lent. */
function countingReserve<T extends postgres.Sql>(
  sql: T,
  use: { inUse: number; waiting: number },
): T {
  const reserve = async () => {
    use.waiting += 1;
    try {
      const lent = await sql.reserve();
      use.inUse += 1;
      const release = lent.release.bind(lent);
      return Object.assign(lent, {
        release() {
          use.inUse -= 1;
          release();
        },
      });
    } finally {
      use.waiting -= 1;
    }
  };
  return new Proxy(sql, {
    get: (target, name) => (name === "reserve" ? reserve : (Reflect.get(target, name) as unknown)),
  });
}
