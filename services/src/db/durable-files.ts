import { fsyncSync } from "node:fs";

import type { PGlite } from "@electric-sql/pglite";
import { NodeFS } from "@electric-sql/pglite/nodefs";

/** WASI's number for an input/output error, which PostgreSQL answers by stopping. */
const EIO = 29;

type ModuleOptions = Parameters<NodeFS["init"]>[1];
type PostgresModule = Parameters<NonNullable<ModuleOptions["preRun"]>[number]>[0];

interface NodeStream {
  readonly nfd: number;
}

/**
 * The embedded database's files, with an fsync that reaches the disk. The
 * library's own file system leaves the call out, so PostgreSQL believes a
 * commit to be durable that a power cut takes away. Its fdatasync cannot be
 * replaced: run PostgreSQL with `wal_sync_method=fsync`.
 */
export class DurableFiles extends NodeFS {
  /** How often PostgreSQL had something made durable. */
  fsyncCount = 0;

  override async init(
    pg: PGlite,
    options: ModuleOptions,
  ): Promise<{ emscriptenOpts: ModuleOptions }> {
    const { emscriptenOpts } = await super.init(pg, options);
    const install = (module: PostgresModule) => {
      const streams = module.NODEFS as unknown as {
        stream_ops?: { fsync?: (stream: NodeStream) => number };
      };
      if (streams.stream_ops === undefined) {
        throw new Error("the embedded database's file system takes no fsync; use PostgreSQL");
      }
      streams.stream_ops.fsync = (stream) => this.#fsync(stream);
    };
    return {
      emscriptenOpts: { ...emscriptenOpts, preRun: [...(emscriptenOpts.preRun ?? []), install] },
    };
  }

  #fsync(stream: NodeStream): number {
    try {
      fsyncSync(stream.nfd);
      this.fsyncCount += 1;
      return 0;
    } catch {
      // A thrown error cannot cross the database's stack. The number makes
      // PostgreSQL stop, as it must: the kernel may have dropped the pages.
      return EIO;
    }
  }
}
