import { Kysely, PostgresDialect } from "kysely";
import postgres from "postgres";

import { readArray } from "./array-text.ts";
import { ConnectionPool } from "./connection-pool.ts";
import type { Database } from "./database.ts";
import { PostgresqlConnection } from "./postgresql-connection.ts";
import { INT8_OID, type Store } from "./store.ts";

// PostgreSQL's own numbers of text[] and int8[].
const TEXT_ARRAY_OID = 1009;
const INT8_ARRAY_OID = 1016;

const MAX_CONNECTIONS = 10;
const CONNECT_LIMIT_S = 10;
const END_LIMIT_S = 5;
const CONNECTION_LIFE_MS = 30 * 60_000;
// Beyond these PostgreSQL ends the statement or session by itself, so that no
// caller and no lock waits for ever.
const STATEMENT_LIMIT_MS = 15_000;
const IDLE_TRANSACTION_LIMIT_MS = 30_000;
// Beyond this it does not even do that, e.g. behind a cut network.
const SILENCE_LIMIT_MS = 20_000;

/**
 * PostgreSQL 15 or later by its URL. Connects at the first query.
 *
 * Two habits of the driver matter to queries: a JSON parameter is passed as
 * `${text}::text::jsonb` (given as jsonb it would be encoded twice), and arrays
 * only inside such JSON (nulls and non-text members would be corrupted).
 *
 * @param silenceMs How long a call waits for a connection, and again for each
 * answer on it, before it is refused as DATABASE_UNAVAILABLE; above the 15 s after
 * which PostgreSQL ends a statement by itself.
 */
export function openPostgresql(
  url: string,
  warn: (notice: string) => void,
  silenceMs = SILENCE_LIMIT_MS,
): Store {
  const options = driverOptions(warn);
  let made = 0;
  const pool = new ConnectionPool({
    open() {
      made += 1;
      return new PostgresqlConnection(url, options, { place: made - 1, silenceMs });
    },
    size: MAX_CONNECTIONS,
    waitMs: silenceMs,
    endLimitS: END_LIMIT_S,
    lifeMs: CONNECTION_LIFE_MS,
  });
  // Connects when it listens, by itself and anew after each break.
  const listener = postgres(url, { ...options, max: 1 });
  return {
    db: new Kysely<Database>({ dialect: new PostgresDialect({ pool }) }),
    pool: () => pool.use,
    kind: "postgresql",
    // What its administrator set: synchronous_commit is on by default.
    durable: true,
    async listen(notification, heard) {
      const { unlisten } = await listener.listen(notification, heard, heard);
      // A database that is gone tells nobody anything more.
      return async () => {
        await unlisten().catch(() => undefined);
      };
    },
    async maintain() {
      // PostgreSQL's own processes vacuum and checkpoint.
    },
    async close() {
      await Promise.all([pool.end(), listener.end({ timeout: END_LIMIT_S })]);
    },
  };
}

function driverOptions(warn: (notice: string) => void) {
  return {
    connect_timeout: CONNECT_LIMIT_S,
    onnotice: (notice: postgres.Notice) => warn(String(notice["message"])),
    types: {
      bigint: {
        to: INT8_OID,
        from: [INT8_OID],
        serialize: (value: bigint) => value.toString(),
        parse: (text: string) => BigInt(text),
      },
      texts: {
        to: TEXT_ARRAY_OID,
        from: [TEXT_ARRAY_OID],
        serialize: notPassed,
        parse: readArray,
      },
      bigints: {
        to: INT8_ARRAY_OID,
        from: [INT8_ARRAY_OID],
        serialize: notPassed,
        parse: (text: string) => readArray(text).map(BigInt),
      },
    },
    connection: {
      application_name: "nix-ota-server",
      statement_timeout: STATEMENT_LIMIT_MS,
      idle_in_transaction_session_timeout: IDLE_TRANSACTION_LIMIT_MS,
    },
  };
}

/** Arrays are passed as JSON. */
function notPassed(): never {
  throw new TypeError("an array is no parameter of a query; pass it as JSON text");
}
