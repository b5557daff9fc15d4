import { sha256, toHex } from "@nix-ota/proto/hash";
import { HoldReason } from "@nix-ota/proto/nixota/v1/channel_pb";

import type { Agent } from "./agent.ts";
import type { Attempt } from "./attempt.ts";
import { checkIn, note } from "./check-in.ts";
import { caughtUp } from "./contact.ts";
import type { Event } from "./events.ts";
import { giveBack } from "./give-back.ts";
import { openEnvelope } from "./open-envelope.ts";
import { pollPatienceMs } from "./patience.ts";
import { runningOffer } from "./running-offer.ts";
import type { ChannelTrust } from "./trust.ts";
import { withFloor } from "./trust.ts";
import type { TimeSources } from "./trusted-time.ts";

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

  const wish = retryWish(agent, Number(retryRevision));
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

/** An operator's wish is granted once for a revision that is in quarantine. */
function retryWish({ notebook, config }: Agent, revision: number): Event | undefined {
  const { state, tally } = notebook.journal.machine;
  if (revision === 0 || tally.granted > 0 || (state.name !== "idle" && state.name !== "stuck"))
    return undefined;
  const waits = notebook.trust.quarantine.some(
    (one) => one.channel === config.channel && one.revision === revision,
  );
  return waits ? { on: "retryAsked", revision } : undefined;
}

export async function timeSources({ ports, notebook, config }: Agent): Promise<TimeSources> {
  return {
    signedTimeS: notebook.trust.signedTimeS,
    builtAtS: config.settings.clock.builtAtS,
    wallS: ports.clock.wallS(),
    synchronized: await ports.clock.synchronized(),
  };
}

async function fetchManifest(
  agent: Agent,
  trust: ChannelTrust | undefined,
  /** As the server says; what a refused manifest claims is nothing to repeat. */
  offeredRevision: number,
  signal: AbortSignal,
): Promise<Asked> {
  const { notebook, config, ports } = agent;
  const answer = await ports.server.current(trust?.floor.revision ?? 0, signal);
  note(agent, answer);
  if (answer.got !== "answer") return { found: "nothing said", message: answer.message };
  if ("hold" in answer.value) {
    if (answer.value.hold === "SERVER_BEHIND") await giveBack(agent, signal);
    return { found: "hold", reason: answer.value.explanation };
  }
  caughtUp(agent.contact);

  const { envelope } = answer.value;
  const device = { ...config, system: ports.host.system() };
  const verdict = openEnvelope(envelope, device, notebook.trust, await timeSources(agent));
  if (!verdict.ok) {
    ports.log("warn", `manifest refused: ${verdict.message}`, { code: verdict.code });
    await notebook.reject({
      id: toHex(sha256(envelope)).slice(0, 32),
      channel: config.channel,
      revision: offeredRevision,
      storePath: "",
      state: "idle",
      outcome: "rejected",
      rejectCode: verdict.code,
      message: verdict.message,
      rebootRequired: false,
      elapsedMs: 0,
    });
    return {
      found: "refused",
      reason: `the offered manifest was refused as ${verdict.code}: ${verdict.message}`,
    };
  }

  const { manifest, payloadSha256 } = verdict;
  const attempt: Attempt = {
    id: ports.chance.id(),
    channel: config.channel,
    revision: Number(manifest.revision),
    payloadSha256: toHex(payloadSha256),
    storePath: manifest.storePath,
  };
  const { state } = notebook.journal.machine;
  if (
    "attempt" in state &&
    state.name !== "stuck" &&
    state.attempt.payloadSha256 === attempt.payloadSha256
  ) {
    return { found: "the same" };
  }
  const attempted = trust?.floor.payloadSha256 === attempt.payloadSha256;
  await ports.manifests.write(attempt.payloadSha256, envelope);
  const floor = { revision: attempt.revision, payloadSha256: attempt.payloadSha256 };
  await notebook.setTrust(
    withFloor(notebook.trust, config.channel, floor, Number(manifest.issuedAtS)),
  );
  if (trust?.committed?.payloadSha256 === attempt.payloadSha256) {
    return { found: "hold", reason: "the offer is committed" };
  }
  return { found: "news", event: await eventFor(agent, attempt, attempted, signal) };
}

/** An attempt under way is superseded; a manifest for what runs needs no activation. */
async function eventFor(
  agent: Agent,
  attempt: Attempt,
  attempted: boolean,
  signal: AbortSignal,
): Promise<Event> {
  const { notebook, ports } = agent;
  const { state } = notebook.journal.machine;
  if (state.name !== "idle" && state.name !== "stuck") return { on: "superseded", attempt };
  const running = await ports.links.running();
  return running === attempt.storePath
    ? await runningOffer(agent, attempt, attempted, signal)
    : { on: "accepted", attempt };
}
