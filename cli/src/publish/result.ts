import { toHex } from "@nix-ota/proto/hash";
import type { PublishResponse } from "@nix-ota/proto/nixota/v1/publish_service_pb";

import { countOf, revisionText } from "../amounts.ts";
import type { Output } from "../output.ts";
import { safeText } from "../terminal-text.ts";
import type { Content } from "./content.ts";
import { previewDocument, previewText, type Preview } from "./preview.ts";

/** Says that devices have the content already. */
export function sayAlreadyPublished(revision: bigint, content: Content, output: Output): void {
  output.result(
    {
      outcome: "already-published",
      channel: content.channel,
      target: content.target,
      revision: Number(revision),
      storePath: content.storePath,
    },
    () => `already published as ${revisionText(revision)} on ${content.channel}`,
  );
}

/** Says what would be published. */
export function sayDryRun(preview: Preview, output: Output): void {
  output.result({ outcome: "dry-run", ...previewDocument(preview) }, () =>
    [previewText(preview, output.paint), "nothing was signed or published (--dry-run)"].join("\n"),
  );
}

/** Says what was published, and which devices will not take it. */
export function sayPublished(
  response: PublishResponse,
  preview: Preview,
  payloadSha256: Uint8Array,
  output: Output,
): void {
  const { content, revision } = preview;
  const unable = response.unableDeviceIds.map((id) => safeText(id));
  if (unable.length > 0)
    output.warn(
      `${countOf(unable.length, "device")} pin none of the keys that signed: ${unable.join(", ")}`,
    );
  output.result(
    {
      outcome: response.alreadyPublished ? "already-published" : "published",
      ...previewDocument(preview),
      payloadSha256: toHex(payloadSha256),
      channelCreated: response.channelCreated,
      unableDeviceIds: response.unableDeviceIds,
    },
    () => {
      const done = response.alreadyPublished ? "already published as" : "published";
      const created = response.channelCreated
        ? "; the channel is made and your keys are pinned"
        : "";
      return `${done} ${revisionText(revision)} on ${content.channel}${created}`;
    },
  );
}
