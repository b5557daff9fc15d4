import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ReleaseSchema, type Release } from "@nix-ota/proto/nixota/v1/release_pb";

import { rolloutMessage } from "./rollout-message.ts";
import type { StoredRelease } from "./stored-release.ts";

/** The contract's Release. */
export function releaseMessage(release: StoredRelease): Release {
  const { channel, revision } = release;
  return create(ReleaseSchema, {
    channel,
    revision,
    publishedAt: timestampFromDate(release.publishedAt),
    publishedBy: release.publishedBy,
    manifests: release.manifests.map(({ keyIds, ...manifest }) => ({
      ...manifest,
      keyIds: [...keyIds],
    })),
    rollout: rolloutMessage(release.rollout),
    outcomes: release.outcomes,
  });
}
