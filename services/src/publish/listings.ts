import { toHex } from "@nix-ota/proto/hash";
import { listingDigest, parseListing } from "@nix-ota/proto/listing";

import { OtaError } from "../ota-error.ts";
import { targetName, type VerifiedManifest } from "./verify.ts";

/** Listings by the hexadecimal digest. */
export type Listings = ReadonlyMap<string, Uint8Array>;

/**
 * Reads listings and knows each by its digest.
 *
 * @throws {OtaError} LISTING_MALFORMED for one that is none, and for one that
 * does not hold the system of a manifest that pins it.
 */
export function readListings(
  contents: readonly Uint8Array[],
  manifests: readonly VerifiedManifest[],
): Listings {
  const listings = new Map<string, Uint8Array>();
  for (const content of contents) {
    const entries = parseListing(content);
    if (typeof entries === "string") throw new OtaError("LISTING_MALFORMED", entries);
    const digest = toHex(listingDigest(content));
    listings.set(digest, content);
    for (const { manifest } of manifests) {
      if (toHex(manifest.closureDigest) !== digest) continue;
      if (entries.some(({ path }) => path === manifest.storePath)) continue;
      throw new OtaError(
        "LISTING_MALFORMED",
        `the listing that the manifest for ${targetName(manifest.target)} pins does not hold ${manifest.storePath}`,
      );
    }
  }
  return listings;
}

/**
 * That every pinned listing is known.
 *
 * @param known Hexadecimal digests.
 * @throws {OtaError} LISTING_MISSING otherwise.
 */
export function requireListings(
  manifests: readonly VerifiedManifest[],
  known: ReadonlySet<string>,
): void {
  for (const { manifest } of manifests) {
    const digest = toHex(manifest.closureDigest);
    if (digest === "" || known.has(digest)) continue;
    throw new OtaError(
      "LISTING_MISSING",
      `the server does not have the listing ${digest} of the manifest for ${targetName(manifest.target)}; send it along or by PutListing`,
    );
  }
}
