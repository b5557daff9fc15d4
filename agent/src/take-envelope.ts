import { sha256, toHex } from "@nix-ota/proto/hash";

import type { Agent } from "./agent.ts";
import type { Attempt } from "./attempt.ts";
import type { Event } from "./events.ts";
import { openEnvelope } from "./open-envelope.ts";
import { runningOffer } from "./running-offer.ts";
import type { StateName } from "./states.ts";
import { timeSources } from "./time-sources.ts";
import { withFloor } from "./trust.ts";

/** What an envelope, from wherever it came, means to the device. */
export type Taken =
  /** Nothing to do, with the reason. */
  | { readonly found: "hold"; readonly reason: string }
  /** It is the attempt under way. */
  | { readonly found: "the same" }
  /** It did not pass the gate. */
  | { readonly found: "refused"; readonly reason: string }
  /** It passed: an event for the machine. */
  | { readonly found: "news"; readonly event: Event };

/** States before the closure is whole on the device. */
const COPIES: ReadonlySet<StateName> = new Set(["accepted", "fetching", "staged"]);

/**
 * Puts an envelope through the gate. One that passes is stored, and its floor durable, before this
 * returns: whatever happens next, no older one passes any more. One that does not is reported once.
 *
 * @param saidRevision as whoever brought it says; what a refused manifest claims is nothing to repeat.
 */
export async function takeEnvelope(
  agent: Agent,
  envelope: Uint8Array,
  saidRevision: number,
  begins: Pick<Attempt, "id" | "bundled">,
  signal: AbortSignal,
): Promise<Taken> {
  const { notebook, config, ports } = agent;
  const device = { ...config, system: ports.host.system() };
  const verdict = openEnvelope(envelope, device, notebook.trust, await timeSources(agent));
  if (!verdict.ok) {
    ports.log("warn", `manifest refused: ${verdict.message}`, { code: verdict.code });
    const told = await notebook.reject({
      id: toHex(sha256(envelope)).slice(0, 32),
      channel: config.channel,
      revision: saidRevision,
      storePath: "",
      state: "idle",
      outcome: "rejected",
      rejectCode: verdict.code,
      message: verdict.message,
      rebootRequired: false,
      elapsedMs: 0,
    });
    return { found: "refused", reason: `the manifest was refused as ${verdict.code}: ${told}` };
  }

  const { manifest, payloadSha256 } = verdict;
  const attempt: Attempt = {
    ...begins,
    channel: config.channel,
    revision: Number(manifest.revision),
    payloadSha256: toHex(payloadSha256),
    storePath: manifest.storePath,
  };
  const { state } = notebook.journal.machine;
  if (
    "attempt" in state &&
    state.name !== "stuck" &&
    state.attempt.payloadSha256 === attempt.payloadSha256 &&
    // A bundle helps where the caches of the very same manifest do not, and only until it is here.
    !(begins.bundled === true && state.attempt.bundled !== true && COPIES.has(state.name))
  ) {
    return { found: "the same" };
  }
  const known = notebook.trust.channels[config.channel]?.floor;
  const attempted = known?.payloadSha256 === attempt.payloadSha256;
  await ports.manifests.write(attempt.payloadSha256, envelope);
  const floor = { revision: attempt.revision, payloadSha256: attempt.payloadSha256 };
  await notebook.setTrust(
    withFloor(notebook.trust, config.channel, floor, Number(manifest.issuedAtS)),
  );
  const { committed } = notebook.trust.channels[config.channel] ?? {};
  if (committed?.payloadSha256 === attempt.payloadSha256) {
    return { found: "hold", reason: `r${attempt.revision} of ${attempt.channel} is committed` };
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
