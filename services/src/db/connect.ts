import type { Logger } from "pino";

import type { Config } from "../config.ts";
import { openEmbedded } from "./embedded.ts";
import { openPostgresql } from "./postgresql.ts";
import type { Store } from "./store.ts";

/** Opens the database that the configuration names: PostgreSQL, or the embedded one. */
export async function connect(
  config: Pick<Config, "databaseUrl" | "dataDir">,
  log: Logger,
): Promise<Store> {
  if (config.databaseUrl !== undefined) {
    return openPostgresql(config.databaseUrl, (notice) => log.debug({ notice }, "database notice"));
  }
  const store = await openEmbedded(config.dataDir);
  if (!store.durable) {
    log.warn("commits of the embedded database do not reach the disk; a power cut may lose some");
  }
  return store;
}
