import { toHex } from "@nix-ota/proto/hash";
import type { PublicKey } from "@nix-ota/proto/key-file";

import { revisionText } from "../amounts.ts";
import { CliError } from "../cli-error.ts";
import { deliver } from "../publish/deliver.ts";
import { proveManifest, readRelease as readPublished } from "../publish/head.ts";
import { previewText } from "../publish/preview.ts";
import { wasOvertaken, type Means, type ReleaseWishes } from "../publish/publish.ts";
import { sayDryRun, sayPublished } from "../publish/result.ts";
import { envelopesOf } from "./envelopes.ts";
import { claimedKeyIds, keyText, signersOf, viewFile } from "./preview.ts";
import type { ReleaseFile } from "./release-file.ts";

/** How a signed file is to be published. The channel is the file's. */
export type FileWishes = Pick<ReleaseWishes, "threshold" | "dryRun" | "yes">;

/**
 * Publishes a release that was signed elsewhere. Where public keys are given, it is judged under
 * them before it is sent, and a first publish pins them.
 *
 * @returns Its revision, undefined for a dry run.
 */
export async function publishFile(
  release: ReleaseFile,
  publicKeys: readonly PublicKey[],
  wishes: FileWishes,
  means: Means,
): Promise<{ channel: string; revision: bigint } | undefined> {
  const { server, host, output, ask } = means;
  const { threshold } = wishes;
  const trusted = { publicKeys: publicKeys.map(({ publicKey }) => publicKey), threshold };
  const envelopes = envelopesOf(release).map(({ envelope }) => envelope);
  const signers = signersOf(release.manifests, publicKeys);
  const { preview } = viewFile(release, trusted, signers);
  const { channel, revision } = preview;
  if (publicKeys.length > 0)
    for (const envelope of envelopes) {
      const verdict = proveManifest(envelope, channel, trusted);
      if (!verdict.ok)
        throw new CliError(
          "rejected",
          `${revisionText(revision)} is not signed as asked for: ${verdict.message}; signed so far by ${signers.map(keyText).join(", ") || "none of the keys"}`,
        );
    }
  if (wishes.dryRun) {
    sayDryRun(preview, output);
    return undefined;
  }
  const text = previewText(preview, output.paintNote);
  const unnamed = `key ids that signed, as the file says: ${claimedKeyIds(release.manifests).join(", ")}`;
  const shown = publicKeys.length > 0 ? text : `${text}\n${unnamed}`;
  if (wishes.yes || !ask.possible) output.note(shown);
  else {
    output.show(shown);
    if (!(await ask.confirm(`Publish ${revisionText(revision)} on ${channel}?`)))
      throw new CliError("declined", "nothing was published");
  }
  const isFirst = (await readPublished(server, channel, 0n)) === undefined;
  const delivery = {
    envelopes,
    listings: pinnedListings(release),
    publicKeys: isFirst ? publicKeys : [],
    threshold,
  };
  try {
    sayPublished(await deliver(server, delivery, host, output), preview, output);
  } catch (error) {
    if (!(error instanceof CliError) || error.refusal === undefined) throw error;
    const more = { cause: error, refusal: error.refusal };
    if (error.refusal.reason === "KEYS_REQUIRED")
      throw new CliError(
        "refused",
        `channel ${channel} has no signing keys yet; name those that signed with --public-key, which pins them`,
        more,
      );
    if (!wasOvertaken(error)) throw error;
    throw new CliError(
      "refused",
      `another release took ${revisionText(revision)} on ${channel}; prepare and sign it again`,
      more,
    );
  }
  return { channel, revision };
}

/** Of the listings in the file those that the manifests pin: what was before the server has. */
function pinnedListings({ manifests, listings }: ReleaseFile): readonly Uint8Array[] {
  return manifests.flatMap(({ manifest }) => listings.get(toHex(manifest.closureDigest)) ?? []);
}
