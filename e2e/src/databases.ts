import { PostgresCluster } from "./postgres-cluster.ts";

/** The two databases that a server runs on; what is promised holds on both. */
export const DATABASES = ["the embedded database", "PostgreSQL"] as const;

/** A database for one server, with everything that has to run for it. */
export class ServerDatabase implements AsyncDisposable {
  /** Undefined: the server brings its own. */
  readonly url: string | undefined;
  readonly #cluster: PostgresCluster | undefined;

  private constructor(url: string | undefined, cluster: PostgresCluster | undefined) {
    this.url = url;
    this.#cluster = cluster;
  }

  static async open(kind: (typeof DATABASES)[number]): Promise<ServerDatabase> {
    if (kind === "the embedded database") return new ServerDatabase(undefined, undefined);
    const cluster = await PostgresCluster.start();
    return new ServerDatabase(await cluster.databaseUrl("nix_ota"), cluster);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster?.[Symbol.asyncDispose]();
  }
}
