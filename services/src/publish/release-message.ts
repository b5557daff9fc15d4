import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ReleaseSchema, type Release } from "@nix-ota/proto/nixota/v1/release_pb";
import { RolloutState } from "@nix-ota/proto/nixota/v1/rollout_pb";

import type { StoredRelease } from "./stored-release.ts";

/** The contract's Release. Without waves a head is offered to all devices at once. */
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
    rollout: { channel, revision, ...rolloutOf(release) },
    outcomes: release.outcomes,
  });
}

function rolloutOf({ isHead, paused }: StoredRelease): {
  state: RolloutState;
  explanation: string;
} {
  if (!isHead) {
    return {
      state: RolloutState.SUPERSEDED,
      explanation: "a higher revision of the channel took its place",
    };
  }
  if (paused) {
    return { state: RolloutState.PAUSED, explanation: "the channel is paused" };
  }
  return { state: RolloutState.RUNNING, explanation: "offered to every device of the channel" };
}
