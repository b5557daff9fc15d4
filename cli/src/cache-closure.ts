import type { Narinfo } from "@nix-ota/proto/narinfo";

import type { Cache } from "./cache.ts";
import { CliError } from "./cli-error.ts";
import { closureGraph, type ClosureGraph } from "./closure-graph.ts";
import { copyCommand } from "./copy-command.ts";

/** A NixOS system has some thousand paths; more than this is a cache that makes them up. */
const MAX_PATHS = 50_000;

/**
 * The closures of paths from what caches say of them alone. They are believed: what comes of it must
 * not be signed as the builder's own listing.
 *
 * @param onFound Called with the number of paths found so far.
 * @throws {CliError} `cache` naming the paths that no cache has.
 */
export async function walkCaches(
  storePaths: readonly string[],
  caches: readonly Cache[],
  signal: AbortSignal,
  onFound: (count: number) => void = () => {},
): Promise<ClosureGraph<Narinfo>> {
  const closure = new Map<string, Narinfo>();
  let frontier = [...new Set(storePaths)];
  while (frontier.length > 0) {
    const found = await lookupAll(frontier, caches, signal);
    for (const path of frontier) {
      const info = found.get(path);
      if (info === undefined)
        throw new CliError(
          "cache",
          `no cache has ${path}, which the closure needs; upload it with: ${copyCommand(caches[0]?.url, storePaths)}`,
        );
      closure.set(path, info);
    }
    onFound(closure.size);
    const references = [...found.values()].flatMap((info) => info.references);
    frontier = [...new Set(references)].filter((path) => !closure.has(path));
    if (closure.size + frontier.length > MAX_PATHS * storePaths.length)
      throw new CliError("cache", `the closure of ${storePaths[0]} has over ${MAX_PATHS} paths`);
  }
  return closureGraph([...closure.values()]);
}

async function lookupAll(
  paths: readonly string[],
  caches: readonly Cache[],
  signal: AbortSignal,
): Promise<Map<string, Narinfo>> {
  const found = new Map<string, Narinfo>();
  for (const cache of caches) {
    const wanted = paths.filter((path) => !found.has(path));
    if (wanted.length === 0) break;
    for (const [path, info] of await cache.lookup(wanted, signal)) found.set(path, info);
  }
  return found;
}
