import { toBinary } from "@bufbuild/protobuf";
import { toHex } from "@nix-ota/proto/hash";
import type { PublicKey } from "@nix-ota/proto/key-file";
import { ManifestSchema } from "@nix-ota/proto/nixota/v1/manifest_pb";

import { countOf, revisionText } from "../amounts.ts";
import type { Output } from "../output.ts";
import { pinnedListing } from "../publish/changes.ts";
import { manifestOf } from "../publish/content.ts";
import { readHead, type Head, type ProvenManifest } from "../publish/head.ts";
import { planRelease } from "../publish/plan.ts";
import { previewDocument, previewText } from "../publish/preview.ts";
import type { Preview } from "../publish/preview.ts";
import { previewOf, type Means, type Part, type ReleaseWishes } from "../publish/publish.ts";
import { sayAlreadyPublished } from "../publish/result.ts";
import { decideRevision } from "../publish/revision-decision.ts";
import type { ReleaseFile } from "./release-file.ts";

/** What is to be prepared, and the keys that prove what is there. */
export interface Preparation {
  wishes: ReleaseWishes;
  parts: readonly Part[];
  publicKeys: readonly PublicKey[];
}

/**
 * Decides the number, shows what changes and gathers all that signers have to see. Signs and
 * publishes nothing.
 *
 * @returns Undefined when devices have all of it already.
 */
export async function prepareRelease(
  { wishes, parts, publicKeys }: Preparation,
  means: Means,
): Promise<{ release: ReleaseFile; preview: Preview } | undefined> {
  const { server, host, output } = means;
  const trusted = {
    publicKeys: publicKeys.map(({ publicKey }) => publicKey),
    threshold: wishes.threshold,
  };
  const targets = parts.map(({ content }) => content.target);
  const head = await readHead(server, { channel: wishes.channel, targets }, trusted);
  const plan = planRelease(parts, head, [], wishes.revision);
  if (plan.kind !== "release") {
    sayAlreadyPublished(wishes.channel, plan.unchanged, 0, output);
    return undefined;
  }
  const revision = await decideRevision(head, wishes, means);
  const preview = await previewOf(plan, { wishes, signers: [] }, head, revision, means);
  output.note(previewText(preview, output.paintNote));
  const before = envelopesBefore(head);
  const listings = new Map<string, Uint8Array>();
  for (const { manifest } of before) {
    output.progress(`reading the listing of ${manifest.target || "devices without target"}`);
    const pinned = await pinnedListing(server, manifest);
    if (pinned !== undefined) listings.set(toHex(manifest.closureDigest), pinned.listing);
  }
  for (const { closure } of plan.parts)
    if (closure.listing !== undefined) listings.set(toHex(closure.digest), closure.listing);
  const manifests = plan.parts
    .map(({ content }) => manifestOf(content, revision, host.now()))
    .toSorted((a, b) => (a.target < b.target ? -1 : 1))
    .map((manifest) => ({
      payload: toBinary(ManifestSchema, manifest),
      manifest,
      signatures: [],
    }));
  const envelopes = before.map(({ envelope }) => envelope);
  return { release: { manifests, before: envelopes, listings }, preview };
}

/** Says what was prepared and what comes next. */
export function sayPrepared(preview: Preview, file: string, output: Output): void {
  output.note(`next: nix-ota sign ${file} --key …, then nix-ota publish --from ${file}`);
  output.result({ outcome: "prepared", file, ...previewDocument(preview) }, () => {
    const { channel, revision, parts } = preview;
    return `prepared ${revisionText(revision)} on ${channel}, ${countOf(parts.length, "manifest")} to sign: ${file}`;
  });
}

/** What proves the number, and what devices of the targets follow; each once. */
function envelopesBefore(head: Head): readonly ProvenManifest[] {
  if (head.kind !== "proven") return [];
  const named = [head.proof, ...head.current.values()];
  return [...new Map(named.map((one) => [toHex(one.envelope), one])).values()];
}
