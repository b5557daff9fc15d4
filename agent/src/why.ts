/** What a person at the device asks first: what it is at, and why it does not go on. Pure. */
import { whyHeld, whyOffered, type ToldAttempt } from "@nix-ota/proto/why";

import type { Journal } from "./journal.ts";
import { remedyFor } from "./refusal.ts";
import type { ReportedAttempt } from "./reported-event.ts";
import type { ServerNote } from "./server-note.ts";
import { sentences } from "./states.ts";
import { lastTold, whatItIsAt } from "./what-it-is-at.ts";

export interface WhyRecords {
  readonly deviceId: string;
  readonly journal: Journal | undefined;
  readonly server: ServerNote | undefined;
}

/**
 * One sentence. Where the server knows as much as the device it is the server's own sentence, so that
 * two people on the telephone read each other the same words.
 */
export function why({ deviceId, journal, server }: WhyRecords): string {
  const state = journal?.machine.state ?? { name: "idle" };
  const told = journal === undefined ? undefined : toldOf(journal);
  if (state.name === "stuck") return `${deviceId} is stuck: ${state.failure.message}`;
  const { verdict } = server ?? {};
  if ("attempt" in state) {
    const { revision, channel } = state.attempt;
    return whyOffered(deviceId, { revision: BigInt(revision), channel }, told);
  }
  if (server === undefined) {
    return `${deviceId} has not asked its server yet; start nix-ota-agent.service`;
  }
  if (server.got === "silence") {
    return `${deviceId} does not reach its server: ${server.message}; look at its network, and whether the server is up`;
  }
  if (server.got === "refusal") {
    const remedy = remedyFor(server.reason, deviceId);
    return `${deviceId}: ${remedy ?? `the server refuses: ${server.message}; it is asked again`}`;
  }
  if (verdict?.says === "hold") return whyHeld(deviceId, verdict, told);
  if (verdict?.says === "offer") {
    const { revision, channel } = verdict;
    return whyOffered(deviceId, { revision: BigInt(revision), channel }, told);
  }
  return `${deviceId}: ${sentences.idle}`;
}

/** The attempt as a report tells it. */
function toldOf(journal: Journal): ToldAttempt | undefined {
  const { state } = journal.machine;
  if (!("attempt" in state)) {
    const last = lastTold(journal);
    return last === undefined ? undefined : endedOf(last);
  }
  return {
    revision: BigInt(state.attempt.revision),
    outcome: "UNSPECIFIED",
    state: wireName(state.name),
    message: whatItIsAt(journal),
    rebootRequired: "plan" in state && state.plan?.rebootRequired === true,
  };
}

const endedOf = (last: ReportedAttempt): ToldAttempt => ({
  revision: BigInt(last.revision),
  outcome: (last.outcome ?? "UNSPECIFIED").toUpperCase(),
  state: wireName(last.state),
  message: last.message,
  rebootRequired: last.rebootRequired,
});

/** As the contract's AgentState spells it. */
const wireName = (name: string): string => name.replaceAll(/[A-Z]/g, "_$&").toUpperCase();
