import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { RolloutSchema, RolloutState, type Rollout } from "@nix-ota/proto/nixota/v1/rollout_pb";

import { planMessage } from "./rollout-plan.ts";
import type { StoredRollout } from "./stored-release.ts";

/** The contract's Rollout. Without waves a release is offered to all devices at once. */
export function rolloutMessage(rollout: StoredRollout): Rollout {
  return create(RolloutSchema, {
    channel: rollout.channel,
    revision: rollout.revision,
    plan: planMessage(rollout.deviceTimeoutMs),
    waveBeganAt: timestampFromDate(rollout.offeredSince),
    ...standingOf(rollout),
  });
}

function standingOf(rollout: StoredRollout): { state: RolloutState; explanation: string } {
  const { channel } = rollout;
  if (rollout.superseded) {
    return {
      state: RolloutState.SUPERSEDED,
      explanation: "a higher revision of the channel took its place",
    };
  }
  if (rollout.state === "paused") {
    return {
      state: RolloutState.PAUSED,
      explanation: `paused by ${rollout.changedBy}; \`nix-ota rollout resume ${channel}\` lets it go on`,
    };
  }
  if (rollout.channelPaused) {
    return {
      state: RolloutState.PAUSED,
      explanation: `channel ${channel} is paused; \`nix-ota channel resume ${channel}\` lets it offer again`,
    };
  }
  return { state: RolloutState.RUNNING, explanation: "offered to every device of the channel" };
}
