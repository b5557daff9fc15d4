import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";

import type { Builder } from "./builder.ts";
import type { CacheKey } from "./cache-key.ts";
import { narInfoUrl, parseNarInfo } from "./narinfo.ts";

export type SplitOptions = {
  readonly builder: Builder;
  readonly storePath: string;
  readonly own: { readonly dir: string; readonly key: CacheKey };
  readonly upstream: { readonly dir: string; readonly key: CacheKey };
};

export type SplitClosure = {
  readonly own: readonly string[];
  readonly upstream: readonly string[];
};

/**
 * Publishes a closure as Cachix and Attic leave it: about half of the packages only in the upstream
 * cache, with only the upstream key's signature; the rest, toplevel included, only in the own one.
 * Which half a path belongs to follows from its hash, so that it stays there in later generations.
 */
export async function publishSplit(options: SplitOptions): Promise<SplitClosure> {
  const { builder, storePath, own, upstream } = options;
  const closure = await builder.closure(storePath);
  const isUpstream = (path: string) =>
    /-package\d+-/.test(path) && path.charCodeAt("/nix/store/".length) % 2 === 0;
  const split = {
    own: closure.filter((path) => !isUpstream(path)),
    upstream: closure.filter(isUpstream),
  };
  await builder.sign(split.upstream, upstream.key, "paths");
  await builder.sign(split.own, own.key, "paths");
  // nix refuses to write a narinfo whose references a cache lacks: both get all, then lose half.
  for (const [cache, drop] of [
    [own, split.upstream],
    [upstream, split.own],
  ] as const) {
    await builder.push([storePath], cache.dir);
    for (const path of drop) await dropFromCache(cache.dir, path);
  }
  return split;
}

/** Takes one path out of a cache folder: its narinfo and its nar. */
async function dropFromCache(cacheDir: string, storePath: string): Promise<void> {
  const file = join(cacheDir, narInfoUrl(storePath));
  const { URL: nar } = parseNarInfo(await readFile(file, "utf8"));
  await rm(file);
  await rm(join(cacheDir, nar), { force: true });
}
