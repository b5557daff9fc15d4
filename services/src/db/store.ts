import type { Kysely } from "kysely";

import type { Database } from "./database.ts";

/** PostgreSQL's number of int8, which both drivers are told to read as bigint. */
export const INT8_OID = 20;

/** Connections of a pool. */
export interface PoolUse {
  readonly size: number;
  readonly inUse: number;
  /** Callers that wait for one. */
  readonly waiting: number;
}

/** An open database and what can be done with it as a whole. */
export interface Store {
  readonly db: Kysely<Database>;
  readonly kind: "postgresql" | "embedded";
  /** Whether a commit that returned survives a power cut. */
  readonly durable: boolean;
  /**
   * Hears notifications, of this and other processes. Some may be lost: `heard`
   * is called as well when listening begins, after each break.
   *
   * @returns What ends it.
   */
  listen(notification: string, heard: () => void): Promise<() => Promise<void>>;
  /** How its connections are used; undefined: it has only one. */
  readonly pool?: () => PoolUse;
  /** Housekeeping that the database does not do by itself; some seconds at most. */
  maintain(): Promise<void>;
  /** Ends all connections; what was committed stays. */
  close(): Promise<void>;
}
