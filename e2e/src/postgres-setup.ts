import type { TestProject } from "vitest/node";

import { PostgresCluster } from "./postgres-cluster.ts";

/** One PostgreSQL for all database tests of a run; each makes its own databases in it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const cluster = await PostgresCluster.start();
  project.provide("postgresUrl", await cluster.databaseUrl("postgres"));
  return async () => await cluster[Symbol.asyncDispose]();
}

declare module "vitest" {
  export interface ProvidedContext {
    /** A superuser's URL of the cluster's first database. */
    postgresUrl: string;
  }
}
