import { countOf } from "./amounts.ts";
import type { Cache } from "./cache.ts";
import { CliError } from "./cli-error.ts";
import type { ClosurePath } from "./closure.ts";
import { copyCommand } from "./copy-command.ts";

/** Paths named in a message; the count tells the rest. */
const NAMED = 3;

/** What the caches together hold of a closure. */
export interface CacheCheck {
  /** Paths that no cache has. */
  missing: readonly string[];
  /** Paths that the first cache to have them holds with another NAR hash. */
  differing: ReadonlyArray<{ path: string; cache: string }>;
  /** Paths that carry no signature where a device would take them from. */
  unsigned: readonly string[];
  /** Bytes to download for each path that a cache has. */
  fileSizes: ReadonlyMap<string, number>;
}

/**
 * Asks the caches, in the order in which devices ask them, for every path of a closure. A device
 * takes a path from the first cache that has it, so one that differs there is not healed by a later
 * cache that has it right.
 *
 * @param onSettled Called now and then with the number of paths asked for.
 */
export async function checkCaches(
  closure: readonly Pick<ClosurePath, "path" | "narHash">[],
  caches: readonly Cache[],
  signal: AbortSignal,
  onSettled: (count: number) => void = () => {},
): Promise<CacheCheck> {
  const wanted = new Map(closure.map(({ path, narHash }) => [path, narHash]));
  const differing: { path: string; cache: string }[] = [];
  const unsigned: string[] = [];
  const fileSizes = new Map<string, number>();
  for (const cache of caches) {
    if (wanted.size === 0) break;
    const settled = closure.length - wanted.size;
    const asked = [...wanted.keys()];
    for (const [path, info] of await cache.lookup(asked, signal, (count) =>
      onSettled(settled + count),
    )) {
      if (info.narHash !== wanted.get(path)) differing.push({ path, cache: cache.url });
      if (!info.signed) unsigned.push(path);
      fileSizes.set(path, info.fileSize);
      wanted.delete(path);
    }
  }
  return { missing: [...wanted.keys()], differing, unsigned, fileSizes };
}

/**
 * Nothing when devices can fetch the whole closure.
 *
 * @throws {CliError} `cache` naming what is missing or differs and what to do about it.
 */
export function expectWhole(
  check: CacheCheck,
  storePaths: readonly string[],
  urls: readonly string[],
): void {
  const total = check.fileSizes.size + check.missing.length;
  if (check.missing.length > 0) {
    const lacking = urls.length === 1 ? `${urls[0]} lacks` : "the caches together lack";
    throw new CliError(
      "cache",
      `${lacking} ${check.missing.length} of ${countOf(total, "path")}: ${named(check.missing)}; ` +
        `upload with: ${copyCommand(urls[0], storePaths)}`,
    );
  }
  const [first] = check.differing;
  if (first !== undefined) {
    throw new CliError(
      "cache",
      `${first.cache} holds another build of ${check.differing.length} of ${countOf(total, "path")}: ` +
        `${named(check.differing.map(({ path }) => path))}; publish from the machine that filled the ` +
        "cache, or name a cache that this machine filled first",
    );
  }
}

/** The first few, and how many more there are. */
function named(paths: readonly string[]): string {
  const shown = paths.slice(0, NAMED).join(", ");
  return paths.length > NAMED ? `${shown} and ${paths.length - NAMED} more` : shown;
}
