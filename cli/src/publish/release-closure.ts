import { listingDigest, makeListing, type ListingEntry } from "@nix-ota/proto/listing";

import { countOf } from "../amounts.ts";
import { checkCaches, expectWhole } from "../cache-check.ts";
import { walkCaches } from "../cache-closure.ts";
import type { Cache } from "../cache.ts";
import { closureBytes, type ClosurePath } from "../closure.ts";
import type { Output } from "../output.ts";

/** A closure that devices can fetch whole. */
export interface ReleaseClosure {
  entries: readonly ListingEntry[];
  bytes: bigint;
  /** Bytes to download for each path. */
  fileSizes: ReadonlyMap<string, number>;
  /** Undefined when only caches were asked: what they say is not signed for. */
  listing: Uint8Array | undefined;
  /** sha256 of the listing, or empty. */
  digest: Uint8Array;
}

/** What is needed of the world for it. */
export interface ClosureSources {
  caches: readonly Cache[];
  readClosure(storePath: string, signal: AbortSignal): Promise<readonly ClosurePath[]>;
}

/**
 * The builder's own closure, pinned by its listing, after the caches were seen to hold all of it
 * with the same hashes.
 */
export async function pinnedClosure(
  storePath: string,
  sources: ClosureSources,
  output: Output,
  signal: AbortSignal,
): Promise<ReleaseClosure> {
  const closure = await sources.readClosure(storePath, signal);
  const listing = makeListing(closure);
  const urls = sources.caches.map(({ url }) => url);
  output.note(`asking ${urls.join(", ")} for ${countOf(closure.length, "path")}`);
  const check = await checkCaches(closure, sources.caches, signal);
  expectWhole(check, storePath, urls);
  warnUnsigned(check.unsigned.length, output);
  return {
    entries: closure,
    bytes: closureBytes(closure),
    fileSizes: check.fileSizes,
    listing,
    digest: listingDigest(listing),
  };
}

/** The closure as the caches tell it, for a machine that does not have it. Not pinned. */
export async function trustedClosure(
  storePath: string,
  caches: readonly Cache[],
  output: Output,
  signal: AbortSignal,
): Promise<ReleaseClosure> {
  const closure = await walkCaches(storePath, caches, signal);
  warnUnsigned(closure.filter(({ signed }) => !signed).length, output);
  output.warn("the contents are not pinned: whoever holds the cache's key could serve others");
  return {
    entries: closure,
    bytes: closureBytes(closure),
    fileSizes: new Map(closure.map(({ path, fileSize }) => [path, fileSize])),
    listing: undefined,
    digest: new Uint8Array(),
  };
}

function warnUnsigned(count: number, output: Output): void {
  if (count === 0) return;
  output.warn(
    `${countOf(count, "path")} in the caches carry no signature and devices refuse them; ` +
      "sign with: nix store sign --recursive --store CACHE --key-file FILE PATH",
  );
}
