/**
 * A bundle: a release for one target in a folder, for devices that reach neither server nor cache.
 *
 *     manifest                      the envelope, as it was signed
 *     listing                       the closure's listing
 *     cache/nix-cache-info          and beside it a binary cache with the whole closure
 *     cache/<hash>.narinfo
 *     cache/nar/<hash>.nar[.zst]
 *
 * A folder and no archive: nix reads it as it stands, nothing of ours has to take hostile bytes apart,
 * and no file outgrows the 4 GiB of the file system that sticks come with.
 */

/** Names in the folder. */
export const BUNDLE = {
  manifest: "manifest",
  listing: "listing",
  cache: "cache",
  cacheInfo: "cache/nix-cache-info",
} as const;

const NAR = /^nar\/[0-9a-z]{32,64}\.nar(\.(bz2|gz|lz4|xz|zst|br))?$/;

/** Whether a narinfo's URL names a NAR of the same cache, and nothing beside or above it. */
export function isNarOfBundle(url: string): boolean {
  return NAR.test(url);
}

/** The narinfo of a store path's hash part. */
export function narinfoOfBundle(hash: string): string {
  return `${BUNDLE.cache}/${hash}.narinfo`;
}

/**
 * Whether a narinfo is written as nix writes them, line by line `Name: value`: nix also takes others,
 * and reads in them what a reader of lines does not see.
 */
export function isWrittenByNix(narinfo: string): boolean {
  return /^([A-Za-z]+: [^\n]*\n)+$/.test(narinfo);
}
