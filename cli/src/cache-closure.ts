import type { Cache } from "./cache.ts";
import { CliError } from "./cli-error.ts";
import type { Narinfo } from "./narinfo.ts";

/** A NixOS system has some thousand paths; more than this is a cache that makes them up. */
const MAX_PATHS = 50_000;

/**
 * The closure of a path from what caches say of it alone. They are believed: what comes of it must
 * not be signed as the builder's own listing.
 *
 * @throws {CliError} `cache` naming the paths that no cache has.
 */
export async function walkCaches(
  storePath: string,
  caches: readonly Cache[],
  signal: AbortSignal,
): Promise<Narinfo[]> {
  const closure = new Map<string, Narinfo>();
  let frontier = [storePath];
  while (frontier.length > 0) {
    const found = await lookupAll(frontier, caches, signal);
    for (const path of frontier) {
      const info = found.get(path);
      if (info === undefined)
        throw new CliError(
          "cache",
          `no cache has ${path}, which the closure needs; upload it with: nix copy --to ${caches[0]?.url} ${storePath}`,
        );
      closure.set(path, info);
    }
    const references = [...found.values()].flatMap((info) => info.references);
    frontier = [...new Set(references)].filter((path) => !closure.has(path));
    if (closure.size + frontier.length > MAX_PATHS)
      throw new CliError("cache", `the closure of ${storePath} has over ${MAX_PATHS} paths`);
  }
  return [...closure.values()];
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
