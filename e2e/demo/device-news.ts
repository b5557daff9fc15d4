import { AgentState, type DeviceEvent, Outcome } from "@nix-ota/proto/nixota/v1/device_pb";

import type { Operator } from "../src/operator.ts";
import type { Narrator } from "./narrator.ts";

/** Tells what devices reported, each event once and in the order of the device. */
export class DeviceNews {
  readonly #told = new Map<string, number>();
  readonly #operator: Operator;
  readonly #narrator: Narrator;

  constructor(operator: Operator, narrator: Narrator) {
    this.#operator = operator;
    this.#narrator = narrator;
  }

  async tell(deviceId: string): Promise<void> {
    const events = await this.#operator.events(deviceId);
    const told = this.#told.get(deviceId) ?? 0;
    for (const event of events.slice(told)) {
      const line = sentence(event);
      if (line !== undefined) this.#narrator.says(deviceId, line.text, line.format);
    }
    this.#told.set(deviceId, events.length);
  }
}

type Line = { readonly text: string; readonly format: "reset" | "green" | "red" | "yellow" };

/** The events that carry the story; the short states between them say nothing to a spectator. */
function sentence({ attempt, state, message }: DeviceEvent): Line | undefined {
  if (attempt === undefined) return message === "" ? undefined : { text: message, format: "reset" };
  const release = `r${attempt.revision}`;
  switch (attempt.outcome) {
    case Outcome.APPLIED:
      return { text: `${release} is proven and committed`, format: "green" };
    case Outcome.ROLLED_BACK:
      return { text: `rolled_back ${release}: ${attempt.message}`, format: "red" };
    case Outcome.UNSPECIFIED:
      break;
    default:
      return { text: `${release} ended: ${attempt.message}`, format: "yellow" };
  }
  switch (state) {
    case AgentState.FETCHING:
      return { text: `verified the signature of ${release}; fetches`, format: "reset" };
    case AgentState.STAGED: {
      const fetched = attempt.fetch;
      if (fetched === undefined) return undefined;
      return {
        text: `fetched ${release}: ${fetched.pathsDone} paths, ${kibibytes(fetched.bytesDone)}`,
        format: "reset",
      };
    }
    case AgentState.PROBATION:
      return { text: `runs ${release}, which has to prove its health`, format: "reset" };
    case AgentState.ROLLING_BACK:
      return { text: `${release} does not; goes back`, format: "yellow" };
    default:
      return undefined;
  }
}

function kibibytes(bytes: bigint): string {
  return `${(Number(bytes) / 1024).toFixed(1)} KiB`;
}
