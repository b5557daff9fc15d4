import { sameBytes } from "@nix-ota/proto/bytes";
import { toHex } from "@nix-ota/proto/hash";
import { keyId, type PublicKey } from "@nix-ota/proto/key-file";
import { parseListing, type ListingEntry } from "@nix-ota/proto/listing";
import type { Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { verifiedKeys } from "@nix-ota/proto/signatures";

import { compareClosures } from "../publish/changes.ts";
import { contentOf } from "../publish/content.ts";
import { proveManifest, type TrustedKeys } from "../publish/head.ts";
import type { Preview } from "../publish/preview.ts";
import type { FileManifest, ReleaseFile } from "./release-file.ts";

/** What a file shows of itself to those who sign or publish it. */
export interface FileView {
  preview: Preview;
  /** The highest revision that the keys prove of what was before; undefined where they prove none. */
  provenHead: bigint | undefined;
}

/**
 * What is in a file, computed from the payloads and the listings that they pin. What was before is
 * compared only as far as the keys prove it.
 */
export function viewFile(
  { manifests, before, listings }: ReleaseFile,
  trusted: TrustedKeys,
  signers: readonly PublicKey[],
): FileView {
  const [first] = manifests;
  const { channel = "", revision = 0n } = first?.manifest ?? {};
  const proven = before.flatMap((envelope) => {
    const verdict = proveManifest(envelope, channel, trusted);
    return verdict.ok ? [verdict.manifest] : [];
  });
  const provenHead = proven.reduce<bigint | undefined>(
    (most, one) => (most === undefined || one.revision > most ? one.revision : most),
    undefined,
  );
  const entriesOf = (manifest: Manifest): readonly ListingEntry[] | undefined => {
    const listing = listings.get(toHex(manifest.closureDigest));
    const entries = listing === undefined ? "" : parseListing(listing);
    return typeof entries === "string" ? undefined : entries;
  };
  const parts = manifests.map(({ manifest }) => {
    const current = newest(proven.filter(({ target }) => target === manifest.target));
    const entries = entriesOf(manifest) ?? [];
    const compared = current && { manifest: current, entries: entriesOf(current) };
    return {
      content: contentOf(manifest),
      pathCount: entries.length,
      changes: compareClosures(compared, entries, undefined),
      rebootRequired: undefined,
    };
  });
  const preparedAtS = first?.manifest.issuedAtS ?? 0n;
  const common = { channel, revision, headRevision: provenHead, preparedAtS };
  const preview = { ...common, parts, unchanged: [], signers };
  return { preview, provenHead };
}

/** Those of the keys that signed every manifest of a file. */
export function signersOf(
  manifests: readonly FileManifest[],
  keys: readonly PublicKey[],
): readonly PublicKey[] {
  const publicKeys = keys.map(({ publicKey }) => publicKey);
  const verified = manifests.map(({ payload, signatures }) =>
    verifiedKeys(
      payload,
      signatures.map((one) => ({ ...one, $typeName: "nixota.v1.Signature" as const })),
      publicKeys,
    ),
  );
  return keys.filter(({ publicKey }) =>
    verified.every((signed) => signed.some((key) => sameBytes(key, publicKey))),
  );
}

/** How the signatures of a file name their keys, which nothing proves. */
export function claimedKeyIds(manifests: readonly FileManifest[]): readonly string[] {
  const ids = manifests.flatMap(({ signatures }) => signatures.map(({ keyId }) => toHex(keyId)));
  return [...new Set(ids)].toSorted();
}

/** A key by its name, or where it has none by its id. */
export function keyText({ name, publicKey }: PublicKey): string {
  return name || toHex(keyId(publicKey));
}

function newest(manifests: readonly Manifest[]): Manifest | undefined {
  return manifests.reduce<Manifest | undefined>(
    (most, one) => (most === undefined || one.revision > most.revision ? one : most),
    undefined,
  );
}
