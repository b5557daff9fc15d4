import { sameBytes } from "@nix-ota/proto/bytes";
import { fromBase64, fromHex, toBase64, toHex } from "@nix-ota/proto/hash";
import { KEY_ID_BYTES } from "@nix-ota/proto/key-file";
import { listingDigest, parseListing } from "@nix-ota/proto/listing";
import type { Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import {
  MAX_ENVELOPE_BYTES,
  MAX_PAYLOAD_BYTES,
  MAX_SIGNATURES,
} from "@nix-ota/proto/signed-manifest";

import { CliError } from "../cli-error.ts";
import { MAX_TARGETS } from "../targets/wanted.ts";
import { readSoundManifest } from "./sound-manifest.ts";

/**
 * A release on its way from the machine that prepares it to those that sign it and the one that
 * publishes it. Nothing in it is believed for being in it: payloads are signed byte for byte after
 * they were shown, listings count by their digest, what was before by its signatures.
 */
export interface ReleaseFile {
  /** One for each target, sorted by it; all of one channel and revision. */
  manifests: readonly FileManifest[];
  /** Signed envelopes that devices follow so far: they prove the number and tell what changes. */
  before: readonly Uint8Array[];
  /** By the hexadecimal sha256: those that `manifests` pin, and of `before` those at hand. */
  listings: ReadonlyMap<string, Uint8Array>;
}

/** A manifest that is to be signed or is. */
export interface FileManifest {
  /** The exact bytes that are signed. */
  payload: Uint8Array;
  /** What they say. */
  manifest: Manifest;
  /** None of them verified. */
  signatures: readonly FileSignature[];
}

/** A signature as it stands in an envelope. */
export interface FileSignature {
  keyId: Uint8Array;
  signature: Uint8Array;
}

/** 256 targets with their listings before and after have some 200 MB. */
export const RELEASE_FILE_LIMIT_BYTES = 256 * 1024 * 1024;

/** The form of the file; another number is another form. */
const FORM = 1;

/** How the file spells it: JSON with base64 for bytes, and listings as text. */
interface Document {
  nixOtaRelease: number;
  manifests: { payload: string; signatures: { keyId: string; signature: string }[] }[];
  before: string[];
  listings: Record<string, string>;
}

/** The text of the file. */
export function printReleaseFile({ manifests, before, listings }: ReleaseFile): string {
  const decoder = new TextDecoder();
  const document: Document = {
    nixOtaRelease: FORM,
    manifests: manifests.map(({ payload, signatures }) => ({
      payload: toBase64(payload),
      signatures: signatures.map(({ keyId, signature }) => ({
        keyId: toHex(keyId),
        signature: toBase64(signature),
      })),
    })),
    before: before.map(toBase64),
    listings: Object.fromEntries([...listings].map(([hex, bytes]) => [hex, decoder.decode(bytes)])),
  };
  return `${JSON.stringify(document, undefined, 1)}\n`;
}

/**
 * Reads the text of a file strictly: what a later version adds is refused and not overlooked, since
 * what is not shown must not be signed.
 *
 * @param file For messages.
 * @throws {CliError} `rejected`.
 */
export function parseReleaseFile(text: string, file: string): ReleaseFile {
  const fail = (problem: string): never => {
    throw new CliError("rejected", `${file} ${problem}; prepare it again with nix-ota prepare`);
  };
  const document = readDocument(text, fail);
  const manifests = document.manifests
    .map((one, index) => readManifest(one, `manifest ${index + 1}`, fail))
    .toSorted((a, b) => (a.manifest.target < b.manifest.target ? -1 : 1));
  const [first] = manifests;
  if (first === undefined || manifests.length > MAX_TARGETS)
    return fail(`holds ${manifests.length} manifests, not 1 to ${MAX_TARGETS}`);
  for (const [index, { manifest }] of manifests.entries()) {
    const { channel, revision } = first.manifest;
    if (manifest.channel !== channel || manifest.revision !== revision)
      fail("holds manifests of several channels or revisions");
    if (manifests[index + 1]?.manifest.target === manifest.target)
      fail(`holds two manifests for target ${manifest.target || "-"}`);
  }
  const before = document.before.map(
    (text) => bytesOf(text, MAX_ENVELOPE_BYTES) ?? fail("holds an envelope that is not base64"),
  );
  const listings = readListings(document.listings, fail);
  for (const { manifest } of manifests) expectListing(manifest, listings, fail);
  return { manifests, before, listings };
}

type Fail = (problem: string) => never;

function readDocument(text: string, fail: Fail): Document {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return fail("is not JSON: it was cut or changed");
  }
  if (!isRecord(document) || document["nixOtaRelease"] !== FORM)
    return fail(`is no release file of form ${FORM}`);
  const { manifests, before, listings } = document;
  const sound =
    hasOnly(document, ["nixOtaRelease", "manifests", "before", "listings"]) &&
    Array.isArray(manifests) &&
    manifests.every(isManifestDocument) &&
    isTexts(before) &&
    before.length <= MAX_TARGETS + 1 &&
    isRecord(listings) &&
    isTexts(Object.values(listings));
  return sound ? (document as unknown as Document) : fail("holds what no release file holds");
}

function isManifestDocument(value: unknown): boolean {
  if (!isRecord(value) || !hasOnly(value, ["payload", "signatures"])) return false;
  const { payload, signatures } = value;
  if (typeof payload !== "string" || !Array.isArray(signatures)) return false;
  return signatures.every(
    (one) => isRecord(one) && hasOnly(one, ["keyId", "signature"]) && isTexts(Object.values(one)),
  );
}

function readManifest(
  { payload: text, signatures }: Document["manifests"][number],
  name: string,
  fail: Fail,
): FileManifest {
  const payload = bytesOf(text, MAX_PAYLOAD_BYTES) ?? fail(`holds no payload in ${name}`);
  const read = readSoundManifest(payload);
  if (!read.ok) return fail(`holds no sound ${name}: ${read.why}`);
  if (signatures.length > MAX_SIGNATURES)
    fail(`holds over ${MAX_SIGNATURES} signatures in ${name}`);
  return {
    payload,
    manifest: read.manifest,
    signatures: signatures.map((one) => {
      const keyId = fromHex(one.keyId);
      const signature = fromBase64(one.signature);
      if (keyId?.length !== KEY_ID_BYTES || signature?.length !== 64)
        return fail(`holds a signature in ${name} that is none`);
      return { keyId, signature };
    }),
  };
}

function readListings(
  texts: Readonly<Record<string, string>>,
  fail: Fail,
): ReadonlyMap<string, Uint8Array> {
  const encoder = new TextEncoder();
  return new Map(
    Object.entries(texts).map(([hex, text]) => {
      const bytes = encoder.encode(text);
      if (toHex(listingDigest(bytes)) !== hex) fail(`holds another listing under ${hex}`);
      const entries = parseListing(bytes);
      if (typeof entries === "string") fail(`holds a listing that is none: ${entries}`);
      return [hex, bytes];
    }),
  );
}

/** What is pinned is shown from its listing: without it the digest could stand for anything. */
function expectListing(
  { closureDigest, storePath }: Manifest,
  listings: ReadonlyMap<string, Uint8Array>,
  fail: Fail,
): void {
  if (closureDigest.length === 0) return;
  const listing = listings.get(toHex(closureDigest)) ?? fail(`lacks the listing of ${storePath}`);
  const entries = parseListing(listing);
  if (typeof entries === "string" || !entries.some(({ path }) => path === storePath))
    fail(`pins a listing that does not hold ${storePath}`);
}

/** Whether two files hold the same manifests, whoever signed them. */
export function sameManifests(a: ReleaseFile, b: ReleaseFile): boolean {
  return (
    a.manifests.length === b.manifests.length &&
    a.manifests.every(({ payload }, index) =>
      sameBytes(payload, b.manifests[index]?.payload ?? new Uint8Array()),
    )
  );
}

function bytesOf(text: string, most: number): Uint8Array | undefined {
  if (text.length > most * 2) return undefined;
  return fromBase64(text);
}

function hasOnly(value: Record<string, unknown>, names: readonly string[]): boolean {
  return (
    Object.keys(value).length === names.length && names.every((name) => Object.hasOwn(value, name))
  );
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
