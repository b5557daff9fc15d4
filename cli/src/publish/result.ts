import { toHex } from "@nix-ota/proto/hash";
import { keyId, type PublicKey } from "@nix-ota/proto/key-file";
import type { PublishResponse } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import type { Release } from "@nix-ota/proto/nixota/v1/release_pb";
import { RolloutState } from "@nix-ota/proto/nixota/v1/rollout_pb";

import { countOf, revisionText } from "../amounts.ts";
import type { Output } from "../output.ts";
import { safeText } from "../terminal-text.ts";
import type { Content } from "./content.ts";
import type { Unchanged } from "./plan.ts";
import { previewDocument, previewText, type Preview } from "./preview.ts";

type Part = Unchanged<{ content: Content }>;

/** Says that devices have the content already, and how many manifests got signatures more. */
export function sayAlreadyPublished(
  channel: string,
  parts: readonly Part[],
  signatureCount: number,
  output: Output,
): void {
  const manifests = parts.map(({ current: { manifest } }) => ({
    target: manifest.target,
    revision: Number(manifest.revision),
    storePath: manifest.storePath,
  }));
  const [only] = manifests;
  output.result(
    {
      outcome: "already-published",
      channel,
      ...(manifests.length === 1 ? only : {}),
      signaturesAdded: signatureCount,
      manifests,
    },
    () => {
      const revisions = [...new Set(parts.map(({ current }) => current.manifest.revision))]
        .toSorted((a, b) => (a < b ? -1 : 1))
        .map(revisionText);
      const added =
        signatureCount === 0 ? "" : `; ${countOf(signatureCount, "manifest")} signed once more`;
      return `already published as ${revisions.join(", ")} on ${channel}${added}`;
    },
  );
}

/** Says what would be published. */
export function sayDryRun(preview: Preview, output: Output): void {
  output.result({ outcome: "dry-run", ...previewDocument(preview) }, () =>
    [previewText(preview, output.paint), "nothing was signed or published (--dry-run)"].join("\n"),
  );
}

/** Says what was published, and which devices will not take it. */
export function sayPublished(response: PublishResponse, preview: Preview, output: Output): void {
  const { channel, revision } = preview;
  warnUncounted(response, preview.signers, output);
  warnUnable(
    response.unableDeviceIds.map((id) => safeText(id)),
    output,
  );
  const { state, explanation = "" } = response.release?.rollout ?? {};
  // After the restoration of a backup every channel is.
  if (state === RolloutState.PAUSED)
    output.warn(`no device is offered ${revisionText(revision)} yet: ${safeText(explanation)}`);
  const digests = payloadDigests(response.release);
  output.result(
    {
      outcome: response.alreadyPublished ? "already-published" : "published",
      ...previewDocument(preview),
      ...(digests.length === 1 ? { payloadSha256: digests[0]?.payloadSha256 } : {}),
      payloads: digests,
      channelCreated: response.channelCreated,
      unableDeviceIds: response.unableDeviceIds,
    },
    () => {
      const done = response.alreadyPublished ? "already published as" : "published";
      const created = response.channelCreated
        ? "; the channel is made and your keys are pinned"
        : "";
      return `${done} ${revisionText(revision)} on ${channel}${created}`;
    },
  );
}

/** Says which keys the channel does not have: what they sign there proves nothing to the server. */
export function warnUncounted(
  response: PublishResponse,
  signers: readonly PublicKey[],
  output: Output,
): void {
  const counted = new Set(
    (response.release?.manifests ?? []).flatMap(({ keyIds }) => keyIds.map(toHex)),
  );
  for (const { name, publicKey } of signers) {
    const id = toHex(keyId(publicKey));
    if (!counted.has(id))
      output.warn(
        `the channel does not have the key ${name || id}, so that its signature does not count there; an admin adds it with nix-ota channel set`,
      );
  }
}

/** Names devices that pin none of the keys that signed. */
export function warnUnable(deviceIds: readonly string[], output: Output): void {
  if (deviceIds.length === 0) return;
  output.warn(
    `none of the keys that signed is pinned by ${countOf(deviceIds.length, "device")}, which cannot verify the release: ${deviceIds.join(", ")}`,
  );
}

function payloadDigests(release: Release | undefined) {
  return (release?.manifests ?? []).map(({ target, payloadSha256 }) => ({
    target,
    payloadSha256: toHex(payloadSha256),
  }));
}
