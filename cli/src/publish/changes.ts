import { sameBytes } from "@nix-ota/proto/bytes";
import {
  diffListings,
  listingDigest,
  parseListing,
  type ListingEntry,
  type PackageDifference,
} from "@nix-ota/proto/listing";
import type { Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";

import { CliError } from "../cli-error.ts";
import type { Server } from "../client.ts";
import { answerOf } from "../server-error.ts";

/** What a release changes for the devices that have the one before. */
export interface Changes {
  /** Undefined when there is nothing to compare with. */
  before: { revision: bigint; storePath: string; closureBytes: bigint } | undefined;
  /** Undefined when one of the two listings is not to be had. */
  packages: readonly PackageDifference[] | undefined;
  /** Paths that only the later closure has; all of them when there is nothing to compare with. */
  addedPaths: number;
  removedPaths: number;
  /** What a device that has the earlier closure downloads; undefined where no cache was asked. */
  downloadBytes: bigint | undefined;
}

/** Compares a closure with the one before, undefined when there is none. */
export function compareClosures(
  before: { manifest: Manifest; entries: readonly ListingEntry[] | undefined } | undefined,
  after: readonly ListingEntry[],
  fileSizes: ReadonlyMap<string, number> | undefined,
): Changes {
  const bytesOf = (paths: Iterable<string>): bigint | undefined => {
    if (fileSizes === undefined) return undefined;
    let sum = 0n;
    for (const path of paths) sum += BigInt(fileSizes.get(path) ?? 0);
    return sum;
  };
  const described = before && {
    revision: before.manifest.revision,
    storePath: before.manifest.storePath,
    closureBytes: before.manifest.closureBytes,
  };
  // An unpinned closure has no entries to compare.
  if (before?.entries === undefined || after.length === 0) {
    return {
      before: described,
      packages: undefined,
      addedPaths: after.length,
      removedPaths: 0,
      downloadBytes: bytesOf(after.map(({ path }) => path)),
    };
  }
  const difference = diffListings(before.entries, after);
  return {
    before: described,
    packages: difference.packages,
    addedPaths: difference.added.length,
    removedPaths: difference.removed.length,
    downloadBytes: bytesOf(difference.added),
  };
}

/**
 * The listing that a manifest pins, undefined when it pins none or the server does not give it. It
 * is the pinned one or none: the digest is compared.
 */
export async function pinnedListing(
  server: Server,
  manifest: Manifest,
): Promise<{ listing: Uint8Array; entries: readonly ListingEntry[] } | undefined> {
  const digest = manifest.closureDigest;
  if (digest.length === 0) return undefined;
  const answer = await answerOf(server.channel.getListing({ digest }), server.url).catch(
    (error: unknown) => {
      // It serves the comparison alone: a publish without one is still a good publish.
      if (error instanceof CliError && error.kind === "refused") return undefined;
      throw error;
    },
  );
  if (answer === undefined || !sameBytes(listingDigest(answer.listing), digest)) return undefined;
  const entries = parseListing(answer.listing);
  return typeof entries === "string" ? undefined : { listing: answer.listing, entries };
}
