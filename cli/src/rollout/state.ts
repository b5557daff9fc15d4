import {
  type Rollout,
  RolloutState,
  RolloutStateSchema,
} from "@nix-ota/proto/nixota/v1/rollout_pb";

import { enumText } from "../enum-text.ts";
import { momentText } from "../moment.ts";
import type { Output } from "../output.ts";

const COLOUR: Partial<Record<RolloutState, "green" | "cyan" | "yellow" | "red">> = {
  [RolloutState.RUNNING]: "cyan",
  [RolloutState.COMPLETED]: "green",
  [RolloutState.PAUSED]: "yellow",
  [RolloutState.WAITING_FOR_APPROVAL]: "yellow",
  [RolloutState.HALTED]: "red",
  [RolloutState.ABORTED]: "red",
};

/** Where a rollout stands, by the name that `--json` has. */
export function rolloutStateText(rollout: Rollout | undefined, output: Output): string {
  const text = enumText(RolloutStateSchema, rollout?.state ?? 0);
  const colour = COLOUR[rollout?.state ?? 0];
  return colour === undefined ? text : output.paint(colour, text);
}

/** A rollout for a program. */
export function rolloutDocument(rollout: Rollout | undefined) {
  return {
    state: enumText(RolloutStateSchema, rollout?.state ?? 0),
    wave: rollout?.wave ?? 0,
    waveCount: rollout?.plan?.waves.length ?? 0,
    waveBeganAt: momentText(rollout?.waveBeganAt),
    explanation: rollout?.explanation ?? "",
  };
}
