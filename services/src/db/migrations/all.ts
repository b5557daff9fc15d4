import type { Migration } from "kysely/migration";

import * as firstTables from "./0001-first-tables.ts";
import * as accessAndOffers from "./0002-access-and-offers.ts";

/**
 * The migrations in their order. Each adds; none takes away what the release
 * before it reads, so that replicas can be replaced one by one.
 */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  "0001-first-tables": firstTables,
  "0002-access-and-offers": accessAndOffers,
};
