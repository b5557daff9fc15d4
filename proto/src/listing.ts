import { ContractError } from "./contract-error.ts";
import { narHashHex, sha256 } from "./hash.ts";
import { quoted } from "./quoted.ts";
import { isStorePath, packageName } from "./store-path.ts";

/** One path of a closure. */
export interface ListingEntry {
  /** Full store path. */
  readonly path: string;
  /** NAR hash; in what `parseListing` returns always `sha256:` and 64 hex. */
  readonly narHash: string;
}

/** Most bytes of a listing. */
export const MAX_LISTING_BYTES = 4 * 1024 * 1024;
/** Most lines of a listing, one for each path of the closure. */
export const MAX_LISTING_LINES = 50_000;

const LINE = /^([^\0]+)\0(sha256:[0-9a-f]{64})$/;

/**
 * The listing's bytes for a closure's paths: for each one its full path, a zero
 * byte, `sha256:`, 64 hexadecimal digits and a line feed, sorted bytewise. The
 * order of the entries is of no matter, and one given twice counts once.
 *
 * @param entries NAR hashes in any of nix's spellings.
 * @throws {ContractError} kind `listing` for a path or hash that is none, a
 * path with two hashes, no entries, over 50 000 lines or 4 MiB.
 */
export function makeListing(entries: readonly ListingEntry[]): Uint8Array {
  // Without a comparison code units are compared, which for ASCII are bytes.
  const lines = [...new Set(entries.map(lineOf))].toSorted();
  const listing = new TextEncoder().encode(lines.join(""));
  const problem = parseListing(listing);
  if (typeof problem === "string") throw new ContractError("listing", problem);
  return listing;
}

/** The entries, sorted by path, or the sentence that says what is wrong. */
export function parseListing(listing: Uint8Array): readonly ListingEntry[] | string {
  if (listing.length > MAX_LISTING_BYTES) {
    return `the listing has ${listing.length} bytes, over ${MAX_LISTING_BYTES}`;
  }
  const lines = asciiText(listing)?.split("\n");
  if (lines === undefined) return "the listing holds bytes that are not ASCII";
  if (lines.pop() !== "") return "the listing does not end with a line feed";
  if (lines.length === 0) return "the listing names no path";
  if (lines.length > MAX_LISTING_LINES) {
    return `the listing has ${lines.length} lines, over ${MAX_LISTING_LINES}`;
  }
  const entries: ListingEntry[] = [];
  for (const [index, line] of lines.entries()) {
    const [, path, narHash] = LINE.exec(line) ?? [];
    if (path === undefined || narHash === undefined || !isStorePath(path)) {
      return `line ${index + 1} of the listing is not a store path and its sha256`;
    }
    const before = entries.at(-1);
    // A zero byte ends the path, so paths sort as their lines do.
    if (before !== undefined && before.path >= path) {
      return `line ${index + 1} of the listing is not sorted or repeats a path`;
    }
    entries.push({ path, narHash });
  }
  return entries;
}

/** sha256 of the listing's bytes: a manifest's `closure_digest`. */
export function listingDigest(listing: Uint8Array): Uint8Array {
  return sha256(listing);
}

/** A package that two closures have in different versions or builds. */
export interface PackageDifference {
  readonly name: string;
  /** Versions in the earlier closure, sorted; empty when it has none. */
  readonly before: readonly string[];
  /** Versions in the later closure, sorted; empty when it has none. */
  readonly after: readonly string[];
}

/** How two closures differ. All lists are sorted. */
export interface ListingDifference {
  /** Paths that only the later closure has. */
  readonly added: readonly string[];
  /** Paths that only the earlier closure has. */
  readonly removed: readonly string[];
  /** Paths of both whose contents differ: another build, or a poisoned cache. */
  readonly differing: readonly string[];
  /** Packages whose versions differ; a mere rebuild of the same is left out. */
  readonly packages: readonly PackageDifference[];
}

/** Compares the entries of two listings. */
export function diffListings(
  before: readonly ListingEntry[],
  after: readonly ListingEntry[],
): ListingDifference {
  const [earlier, later] = [hashByPath(before), hashByPath(after)];
  return {
    added: [...later.keys()].filter((path) => !earlier.has(path)).toSorted(),
    removed: [...earlier.keys()].filter((path) => !later.has(path)).toSorted(),
    differing: [...earlier]
      .filter(([path, hash]) => later.has(path) && later.get(path) !== hash)
      .map(([path]) => path)
      .toSorted(),
    packages: packageDifferences(earlier.keys(), later.keys()),
  };
}

function lineOf({ path, narHash }: ListingEntry): string {
  if (!isStorePath(path)) throw new ContractError("listing", `${quoted(path)} is no store path`);
  const hex = narHashHex(narHash);
  if (hex === undefined) {
    throw new ContractError(
      "listing",
      `${quoted(narHash)} of ${path} is no sha256 as nix spells it`,
    );
  }
  return `${path}\0sha256:${hex}\n`;
}

function asciiText(bytes: Uint8Array): string | undefined {
  if (bytes.some((byte) => byte > 0x7f)) return undefined;
  return new TextDecoder().decode(bytes);
}

function hashByPath(entries: readonly ListingEntry[]): Map<string, string> {
  return new Map(entries.map(({ path, narHash }) => [path, narHash]));
}

function packageDifferences(
  before: Iterable<string>,
  after: Iterable<string>,
): PackageDifference[] {
  const [earlier, later] = [versionsByName(before), versionsByName(after)];
  const names = [...new Set([...earlier.keys(), ...later.keys()])].toSorted();
  return names
    .map((name) => ({
      name,
      before: [...(earlier.get(name) ?? [])].toSorted(),
      after: [...(later.get(name) ?? [])].toSorted(),
    }))
    .filter(
      (one) =>
        one.before.join("\0") !== one.after.join("\0") || one.before.length !== one.after.length,
    );
}

function versionsByName(paths: Iterable<string>): Map<string, Set<string>> {
  const versions = new Map<string, Set<string>>();
  for (const path of paths) {
    const { name, version } = packageName(path);
    const known = versions.get(name);
    if (known === undefined) versions.set(name, new Set([version]));
    else known.add(version);
  }
  return versions;
}
