import type { Kysely, KyselyPlugin } from "kysely";

import type { Database } from "../src/db/database.ts";

/** A database whose statements are counted, but for those that begin and end transactions. */
export function counting(db: Kysely<Database>): {
  readonly db: Kysely<Database>;
  /** How many there were since the last look. */
  readonly counted: () => number;
} {
  let statements = 0;
  const plugin: KyselyPlugin = {
    transformQuery({ node }) {
      statements += 1;
      return node;
    },
    async transformResult({ result }) {
      return result;
    },
  };
  return {
    db: db.withPlugin(plugin),
    counted() {
      const seen = statements;
      statements = 0;
      return seen;
    },
  };
}
