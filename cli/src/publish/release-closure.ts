import { listingDigest, makeListing, type ListingEntry } from "@nix-ota/proto/listing";

import { countOf } from "../amounts.ts";
import { checkCaches, expectWhole } from "../cache-check.ts";
import { walkCaches } from "../cache-closure.ts";
import type { Cache } from "../cache.ts";
import type { ClosureGraph } from "../closure-graph.ts";
import { closureBytes, type ClosurePath } from "../closure.ts";
import type { Output } from "../output.ts";

/** A closure that devices can fetch whole. */
export interface ReleaseClosure {
  /** Empty where nobody knows them. */
  entries: readonly ListingEntry[];
  bytes: bigint;
  /** Bytes to download for each path; undefined where no cache was asked. */
  fileSizes: ReadonlyMap<string, number> | undefined;
  /** Undefined when only caches were asked: what they say is not signed for. */
  listing: Uint8Array | undefined;
  /** sha256 of the listing, or empty. */
  digest: Uint8Array;
}

/** What is needed of the world for it. */
export interface ClosureSources {
  caches: readonly Cache[];
  readClosures(
    storePaths: readonly string[],
    signal: AbortSignal,
  ): Promise<ClosureGraph<ClosurePath>>;
}

/**
 * The builder's own closures, each pinned by its listing, after the caches were seen to hold all of
 * them with the same hashes. What several closures share is asked for once.
 */
export async function pinnedClosures(
  storePaths: readonly string[],
  sources: ClosureSources,
  output: Output,
  signal: AbortSignal,
): Promise<readonly ReleaseClosure[]> {
  const graph = await sources.readClosures(storePaths, signal);
  const fileSizes = await expectCached(graph.paths, storePaths, sources.caches, output, signal);
  return storePaths.map((storePath) => {
    const entries = graph.closureOf(storePath);
    const listing = makeListing(entries);
    return {
      entries,
      bytes: closureBytes(entries),
      fileSizes,
      listing,
      digest: listingDigest(listing),
    };
  });
}

/**
 * Asks the caches for every path.
 *
 * @returns Bytes to download for each.
 * @throws {CliError} `cache` when they lack one or hold another build of it.
 */
export async function expectCached(
  paths: readonly Pick<ClosurePath, "path" | "narHash">[],
  storePaths: readonly string[],
  caches: readonly Cache[],
  output: Output,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const urls = caches.map(({ url }) => url);
  output.note(`asking ${urls.join(", ")} for ${countOf(paths.length, "path")}`);
  const check = await checkCaches(paths, caches, signal, (done) =>
    output.progress(`asked for ${done} of ${countOf(paths.length, "path")}`),
  );
  expectWhole(check, storePaths, urls);
  warnUnsigned(check.unsigned.length, output);
  return check.fileSizes;
}

/** The closures as the caches tell them, for a machine that does not have them. Not pinned. */
export async function trustedClosures(
  storePaths: readonly string[],
  caches: readonly Cache[],
  output: Output,
  signal: AbortSignal,
): Promise<readonly ReleaseClosure[]> {
  const graph = await walkCaches(storePaths, caches, signal, (count) =>
    output.progress(`found ${countOf(count, "path")} in the caches`),
  );
  warnUnsigned(graph.paths.filter(({ signed }) => !signed).length, output);
  output.warn("the contents are not pinned: whoever holds the cache's key could serve others");
  const fileSizes = new Map(graph.paths.map(({ path, fileSize }) => [path, fileSize]));
  return storePaths.map((storePath) => {
    const entries = graph.closureOf(storePath);
    const bytes = closureBytes(entries);
    return { entries, bytes, fileSizes, listing: undefined, digest: new Uint8Array() };
  });
}

function warnUnsigned(count: number, output: Output): void {
  if (count === 0) return;
  output.warn(
    `${countOf(count, "path")} in the caches carry no signature and devices refuse them; ` +
      "sign with: nix store sign --recursive --store CACHE --key-file FILE PATH",
  );
}
