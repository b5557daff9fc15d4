import { BUNDLE, isNarOfBundle, isWrittenByNix, narinfoOfBundle } from "@nix-ota/proto/bundle";
import { toHex } from "@nix-ota/proto/hash";
import {
  diffListings,
  listingDigest,
  makeListing,
  MAX_LISTING_BYTES,
  MAX_LISTING_LINES,
  parseListing,
} from "@nix-ota/proto/listing";
import { parseNarinfo } from "@nix-ota/proto/narinfo";
import type { NarinfoFile } from "@nix-ota/proto/narinfo";
import { MAX_ENVELOPE_BYTES } from "@nix-ota/proto/signed-manifest";
import { storePathHash } from "@nix-ota/proto/store-path";

import { AgentError } from "../agent-error.ts";
import { mib } from "../spell-bytes.ts";
import type { PlainFiles } from "./plain-file.ts";
import { plainFiles, writePlain } from "./plain-file.ts";

const CACHE_INFO_LIMIT_BYTES = 4 * 1024;
const NARINFO_LIMIT_BYTES = 64 * 1024;
/** Of all of them together, which are held in memory: a thousand bytes for each of 50 000 paths. */
const NARINFOS_LIMIT_BYTES = 64 * 1024 * 1024;

const AGAIN = "copy the bundle once more, or make it anew with `nix-ota bundle`";

/** What the gate says of a bundle's manifest. */
export interface Judged {
  readonly storePath: string;
  /** Empty: the closure is not pinned. */
  readonly closureDigest: Uint8Array;
  /** Most bytes that its NARs may have, by what the manifest announces. */
  readonly mostBytes: number;
}

export interface BundleContents {
  readonly paths: number;
  /** Of its NARs. */
  readonly bytes: number;
}

/** A bundle that was looked through, and is whole as far as that can be told without its NARs' contents. */
export interface SeenBundle extends BundleContents {
  /**
   * Copies it into an empty folder that has `cache/nar`. Not on the disk when it returns.
   *
   * @throws {AgentError} kind `room` when the disk is full meanwhile.
   */
  copyTo(folder: string): Promise<void>;
}

/** A folder whose manifest was read, and nothing else. */
export interface OpenedBundle {
  readonly envelope: Uint8Array;
  /**
   * Looks at the rest: only what belongs to the closure is read, and the closure is the one that was
   * signed for. What else lies in the folder is of no matter.
   *
   * @throws {AgentError} kind `bundle` for what is not whole, not signed or not what was signed for.
   */
  lookThrough(judged: Judged): Promise<SeenBundle>;
}

/**
 * Opens a bundle. The gate has to see its manifest before anything else of it is read.
 *
 * @param signal ends this, and looking through and copying what was opened, with the signal's reason.
 * @throws {AgentError} kind `bundle` for what is none.
 */
export async function openBundle(path: string, signal: AbortSignal): Promise<OpenedBundle> {
  const files = await plainFiles(path, [BUNDLE.cache, `${BUNDLE.cache}/nar`], signal);
  const envelope = await needed(files, BUNDLE.manifest, MAX_ENVELOPE_BYTES);
  return {
    envelope,
    lookThrough: async (judged) => await lookThrough(files, envelope, judged, signal),
  };
}

async function lookThrough(
  files: PlainFiles,
  envelope: Uint8Array,
  judged: Judged,
  signal: AbortSignal,
): Promise<SeenBundle> {
  const small = new Map([[BUNDLE.manifest as string, envelope]]);
  small.set(BUNDLE.cacheInfo, await needed(files, BUNDLE.cacheInfo, CACHE_INFO_LIMIT_BYTES));

  const closure = await readClosure(files, judged.storePath, small);
  if (judged.closureDigest.length > 0) {
    const listing = await needed(files, BUNDLE.listing, MAX_LISTING_BYTES);
    expectSigned(closure, listing, judged.closureDigest);
    small.set(BUNDLE.listing, listing);
  }
  const nars = await sizes(files, closure);
  const bytes = [...nars.values()].reduce((sum, size) => sum + size, 0);
  if (bytes > judged.mostBytes)
    throw refused(
      `the bundle has ${mib(bytes)}, but ${mib(judged.mostBytes)} is the most that its manifest announces; make it anew with \`nix-ota bundle\``,
    );
  return {
    paths: closure.length,
    bytes,
    async copyTo(folder) {
      for (const [name, contents] of small) {
        signal.throwIfAborted();
        await writePlain(`${folder}/${name}`, contents);
      }
      for (const [name, size] of nars) await files.copy(name, size, `${folder}/${name}`);
    },
  };
}

const refused = (sentence: string) => new AgentError("bundle", sentence, undefined);

async function needed(files: PlainFiles, name: string, limitBytes: number): Promise<Uint8Array> {
  const bytes = await files.read(name, limitBytes);
  if (bytes === undefined) throw refused(`the bundle lacks ${name}; ${AGAIN}`);
  return bytes;
}

/** The closure as the narinfos tell it, from the system on; their bytes go into `small`. */
async function readClosure(
  files: PlainFiles,
  storePath: string,
  small: Map<string, Uint8Array>,
): Promise<readonly NarinfoFile[]> {
  const closure: NarinfoFile[] = [];
  const seen = new Set([storePath]);
  let bytesRead = 0;
  for (const path of seen) {
    if (seen.size > MAX_LISTING_LINES)
      throw refused(
        `the bundle has over ${MAX_LISTING_LINES} paths, which no closure has; ${AGAIN}`,
      );
    const name = narinfoOfBundle(storePathHash(path) ?? "");
    const bytes = await files.read(name, NARINFO_LIMIT_BYTES);
    if (bytes === undefined) throw refused(`the bundle lacks ${path}; ${AGAIN}`);
    bytesRead += bytes.length;
    if (bytesRead > NARINFOS_LIMIT_BYTES)
      throw refused(`the bundle tells more of its paths than any cache does; ${AGAIN}`);
    const text = new TextDecoder().decode(bytes);
    const read = parseNarinfo(text, path);
    if (!read.ok) throw refused(`${name} in the bundle ${read.problem}; ${AGAIN}`);
    if (!isWrittenByNix(text) || !isNarOfBundle(read.info.url))
      throw refused(`${name} in the bundle leads out of it; make it anew with \`nix-ota bundle\``);
    if (!read.info.signed)
      throw refused(
        `${path} in the bundle carries no signature; make it with \`nix-ota bundle --cache-key\` and a key that the device trusts for its caches`,
      );
    small.set(name, bytes);
    closure.push(read.info);
    for (const reference of read.info.references) seen.add(reference);
  }
  return closure;
}

function expectSigned(
  closure: readonly NarinfoFile[],
  listing: Uint8Array,
  digest: Uint8Array,
): void {
  const signed = parseListing(listing);
  if (typeof signed === "string" || toHex(listingDigest(listing)) !== toHex(digest))
    throw refused(`the listing in the bundle is not the one that was signed for; ${AGAIN}`);
  const here = parseListing(makeListing(closure));
  const { added, removed, differing } = diffListings(signed, typeof here === "string" ? [] : here);
  const others = [...differing, ...added, ...removed];
  if (others.length > 0)
    throw refused(
      `${others[0]} in the bundle is not what was signed for${others.length > 1 ? `, and ${others.length - 1} more` : ""}; make it anew with \`nix-ota bundle\`, and look who could change it`,
    );
}

/** NARs with their sizes. Two paths may share one. */
async function sizes(
  files: PlainFiles,
  closure: readonly NarinfoFile[],
): Promise<ReadonlyMap<string, number>> {
  const nars = new Map<string, number>();
  for (const { path, url, fileSize } of closure) {
    const name = `${BUNDLE.cache}/${url}`;
    const size = await files.size(name);
    if (size === undefined)
      throw refused(`the bundle lacks ${name}, the contents of ${path}; ${AGAIN}`);
    if (size !== fileSize)
      throw refused(
        `${name} in the bundle has ${size} bytes instead of ${fileSize}: it was not copied to its end; ${AGAIN}`,
      );
    nars.set(name, size);
  }
  return nars;
}
