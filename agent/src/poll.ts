import { toHex } from "@nix-ota/proto/hash";
import { HoldReason } from "@nix-ota/proto/nixota/v1/channel_pb";

import type { Agent } from "./agent.ts";
import { checkIn, note } from "./check-in.ts";
import { caughtUp } from "./contact.ts";
import type { Event } from "./events.ts";
import { giveBack } from "./give-back.ts";
import { pollPatienceMs } from "./patience.ts";
import { retryWish } from "./retry-wish.ts";
import { takeEnvelope } from "./take-envelope.ts";
import type { ChannelTrust } from "./trust.ts";

/** What asking the server came to. */
export type Asked =
  /** Nobody answered, or the server is not well. */
  | { readonly found: "nothing said"; readonly message: string }
  /** Nothing to do, with the reason. */
  | { readonly found: "hold"; readonly reason: string }
  /** The offer is the attempt under way. */
  | { readonly found: "the same" }
  /** The offered manifest did not pass the gate. */
  | { readonly found: "refused"; readonly reason: string }
  /** Something for the machine: a manifest that passed the gate, or a wish of the operator. */
  | { readonly found: "news"; readonly event: Event };

/**
 * Reports and asks. A manifest that passes the gate is stored, and its floor durable, before this
 * returns: whatever happens next, no older one passes any more.
 */
export async function poll(agent: Agent, signal: AbortSignal): Promise<Asked> {
  const { notebook, config } = agent;
  agent.ports.overseer.comesBy(pollPatienceMs(config.settings));
  const answer = await checkIn(agent, signal);
  if (answer.got !== "answer") return { found: "nothing said", message: answer.message };
  const { verdict, retryRevision } = answer.value;

  const wish = retryWish(
    notebook.journal.machine,
    notebook.trust,
    config.channel,
    Number(retryRevision),
  );
  if (wish !== undefined) return { found: "news", event: wish };

  if (verdict.case !== "offer") {
    if (verdict.value?.reason === HoldReason.SERVER_BEHIND) await giveBack(agent, signal);
    else caughtUp(agent.contact);
    return { found: "hold", reason: verdict.value?.explanation ?? "nothing is offered" };
  }
  const offered = toHex(verdict.value.payloadSha256);
  const { state, tally } = notebook.journal.machine;
  if ("attempt" in state && state.name !== "stuck" && state.attempt.payloadSha256 === offered) {
    return { found: "the same" };
  }
  const trust = notebook.trust.channels[config.channel];
  if (trust?.committed?.payloadSha256 === offered)
    return { found: "hold", reason: "the offer is committed" };
  if (notebook.trust.quarantine.some(({ payloadSha256 }) => payloadSha256 === offered)) {
    return { found: "hold", reason: `revision ${verdict.value.revision} failed on this device` };
  }
  if (tally.payloadSha256 === offered && rests(agent)) {
    return { found: "hold", reason: `revision ${verdict.value.revision} is tried again later` };
  }
  return await fetchManifest(agent, trust, Number(verdict.value.revision), signal);
}

/** Whether the wait after an attempt still lasts. A reboot ends it. */
function rests({ notebook }: Agent): boolean {
  const { rest } = notebook.journal;
  const now = notebook.now();
  return rest !== undefined && rest.bootId === now.bootId && rest.ms > now.ms;
}

async function fetchManifest(
  agent: Agent,
  trust: ChannelTrust | undefined,
  /** As the server says; what a refused manifest claims is nothing to repeat. */
  offeredRevision: number,
  signal: AbortSignal,
): Promise<Asked> {
  const { ports } = agent;
  const answer = await ports.server.current(trust?.floor.revision ?? 0, signal);
  note(agent, answer);
  if (answer.got !== "answer") return { found: "nothing said", message: answer.message };
  if ("hold" in answer.value) {
    if (answer.value.hold === "SERVER_BEHIND") await giveBack(agent, signal);
    return { found: "hold", reason: answer.value.explanation };
  }
  caughtUp(agent.contact);

  const { envelope } = answer.value;
  return await takeEnvelope(agent, envelope, offeredRevision, { id: ports.chance.id() }, signal);
}
