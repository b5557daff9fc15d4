/** Carries out what people at the device asked, as far as it is for the agent that runs. */
import { FAILURE_REMEDY, withRemedy } from "@nix-ota/proto/remedy";

import { AgentError } from "./agent-error.ts";
import type { Agent } from "./agent.ts";
import type { Attempt } from "./attempt.ts";
import type { Event } from "./events.ts";
import type { Reply, Request } from "./request.ts";
import { judgeRetry, judgeRollback, notNow, refuse, replyFor, wayBackOf } from "./request.ts";
import { returnPlan } from "./return-plan.ts";
import { sentences } from "./states.ts";
import type { State } from "./states.ts";
import { takeEnvelope } from "./take-envelope.ts";
import { isWholeSystem } from "./whole-system.ts";

/** Tells what came of requests that have ended, and takes up the next one: an event for the machine. */
export async function heedRequests(agent: Agent, signal: AbortSignal): Promise<Event | undefined> {
  for (const request of await agent.ports.requests.pending()) {
    const reply = unwrittenOf(agent).get(request.id) ?? endOf(agent, request);
    const met =
      reply ?? (isUnderWay(agent, request) ? undefined : await tryToMeet(agent, request, signal));
    if (met === undefined) continue;
    if ("on" in met) return met;
    await answer(agent, request, met);
  }
  return undefined;
}

/**
 * Replies that a full disk had no room for. Whoever waits for one asks for it four times a second, and
 * the wish is not met once more for each.
 */
const unwritten = new WeakMap<Agent, Map<string, Reply>>();

function unwrittenOf(agent: Agent): Map<string, Reply> {
  const known = unwritten.get(agent);
  if (known !== undefined) return known;
  const none = new Map<string, Reply>();
  unwritten.set(agent, none);
  return none;
}

async function answer(agent: Agent, { id, wish }: Request, reply: Reply): Promise<void> {
  const { requests, log } = agent.ports;
  const waiting = unwrittenOf(agent);
  try {
    await requests.answer(id, reply);
  } catch (cause) {
    if (!(cause instanceof AgentError) || cause.kind !== "state") throw cause;
    if (!waiting.has(id))
      log("error", cause.message, { cause: String(cause.cause).slice(0, 1000), ...reply });
    waiting.set(id, reply);
    return;
  }
  waiting.delete(id);
  log("info", "answered a request", { wish: wish.to, ...reply });
}

async function tryToMeet(
  agent: Agent,
  request: Request,
  signal: AbortSignal,
): Promise<Event | Reply> {
  const tried = await unlessUnable(agent, async () => await meet(agent, request, signal), signal);
  return tried.could ? tried.value : notNow(`${tried.sentence}, and ask again`);
}

type Tried<Value> =
  | { readonly could: true; readonly value: Value }
  | { readonly could: false; readonly sentence: string };

/**
 * A device that cannot do something, its disk being full, must not end its agent over it at each
 * start.
 */
async function unlessUnable<Value>(
  { ports }: Agent,
  act: () => Promise<Value>,
  signal: AbortSignal,
): Promise<Tried<Value>> {
  try {
    return { could: true, value: await act() };
  } catch (cause) {
    // Whoever was asked to end leaves the wish to the next agent.
    signal.throwIfAborted();
    if (!(cause instanceof AgentError) || (cause.kind !== "state" && cause.kind !== "tool"))
      throw cause;
    ports.log("error", cause.message, { cause: String(cause.cause).slice(0, 1000) });
    const remedy =
      cause.kind === "tool"
        ? FAILURE_REMEDY.TOOL_FAILED
        : "look whether its disk is full or read-only";
    return { could: false, sentence: withRemedy(cause.message, remedy) };
  }
}

/** The reply to a request whose attempt is over; undefined: it is not, or has not begun. */
function endOf({ notebook }: Agent, request: Request): Reply | undefined {
  const { last, machine } = notebook.journal;
  return last?.id === attemptOf(request) ? replyFor(request.wish, last, machine.state) : undefined;
}

function isUnderWay({ notebook }: Agent, request: Request): boolean {
  const { state } = notebook.journal.machine;
  // What somebody wishes to leave is being left, or it waits for its reboot no more.
  if (request.wish.to === "leave" && state.name !== "rollingBack") return false;
  return "attempt" in state && state.attempt.id === attemptOf(request);
}

/** The attempt whose end is the end of the request. */
const attemptOf = ({ id, wish }: Request): string => (wish.to === "leave" ? wish.attempt : id);

async function meet(agent: Agent, request: Request, signal: AbortSignal): Promise<Event | Reply> {
  const { state } = agent.notebook.journal.machine;
  if (request.wish.to === "leave") return leave(state, request.wish.attempt);
  const rests = state.name === "idle" || state.name === "stuck";
  // What gives way to a newer release of the server's gives way to a bundle.
  const gives = ["accepted", "fetching", "staged", "awaitingReboot"].includes(state.name);
  if (!rests && !(request.wish.to === "apply" && gives)) {
    return notNow(
      `r${state.attempt.revision} is ${state.name} (${sentences[state.name]}); ask again when that has ended`,
    );
  }
  switch (request.wish.to) {
    case "rollback":
      return await rollback(agent, request.id, request.wish, signal);
    case "retry":
      return await retry(agent, request.id, request.wish.revision, signal);
    case "apply":
      return await apply(agent, request.id, signal);
  }
}

function leave(state: State, attempt: string): Event | Reply {
  if (state.name === "awaitingReboot" && state.attempt.id === attempt)
    return { on: "rollbackAsked", attempt: state.attempt, plan: state.plan, prev: state.prev };
  return notNow(
    "what was to be left does not wait for its reboot any more; look with `nix-ota-agent status`, and ask again",
  );
}

async function rollback(
  { ports, config, notebook }: Agent,
  id: string,
  { payloadSha256, generation }: { readonly payloadSha256: string; readonly generation: number },
  signal: AbortSignal,
): Promise<Event | Reply> {
  const { links } = ports;
  const { channel } = config;
  const running = await links.running();
  const leaves = judgeRollback(notebook.trust, channel, running, payloadSha256);
  if ("sentence" in leaves) return leaves;
  const profile = { current: (await links.profile()).number, all: await links.generations() };
  const { before } = notebook.trust.channels[channel] ?? {};
  const to = wayBackOf(profile, leaves.storePath, before?.storePath, generation);
  if ("sentence" in to) return to;
  const named = `generation ${to.number} (${to.storePath})`;
  if (!(await isWholeSystem(ports, to.storePath, signal))) {
    return refuse(
      `${named} is not whole in the store; repair it with \`nix-store --repair-path\`, or name another with --generation`,
    );
  }
  if (generation === 0 && !(await links.runnable(to.storePath, "sw/bin/nix-ota-agent"))) {
    return refuse(
      `${named} has no agent, so no update would follow; name it with --generation to go back to it nevertheless`,
    );
  }
  await links.root("prev", to.storePath);
  const { revision, storePath } = leaves;
  const failedUnits = await ports.health.failedUnits(signal);
  return {
    on: "rollbackAsked",
    attempt: { id, channel, revision, payloadSha256: leaves.payloadSha256, storePath },
    plan: returnPlan(notebook.now()),
    prev: {
      running: to.storePath,
      booted: await links.booted(),
      profile: to.storePath,
      generation: to.number,
      ...(failedUnits === undefined ? {} : { failedUnits }),
      inContact: false,
      ...(before?.storePath === to.storePath ? { committed: before } : {}),
    },
  };
}

/** Let in first, durably: a crash between that and the attempt finds it let in, and goes on. */
async function retry(
  agent: Agent,
  id: string,
  revision: number,
  signal: AbortSignal,
): Promise<Event | Reply> {
  const { notebook, config, ports } = agent;
  const { tally } = notebook.journal.machine;
  const judged = judgeRetry(notebook.trust, config.channel, tally, revision);
  if ("sentence" in judged) return judged;
  const envelope = await ports.manifests.read(judged.payloadSha256);
  if (envelope === undefined) {
    return notNow(
      `the manifest of r${judged.revision} is gone from the state directory; it is tried when the server offers it`,
    );
  }
  if (judged.lifts) await notebook.record({ on: "retryAsked", revision: judged.revision });
  const begun = await unlessUnable(
    agent,
    async () => await begin(agent, id, envelope, false, signal),
    signal,
  );
  if (begun.could) return begun.value;
  const letIn = judged.lifts ? `r${judged.revision} is let in again, but cannot begin: ` : "";
  return notNow(`${letIn}${begun.sentence}, and ask again`);
}

async function apply(agent: Agent, id: string, signal: AbortSignal): Promise<Event | Reply> {
  const envelope = await agent.ports.bundles.read(id, "manifest");
  if (envelope === undefined)
    return refuse("the bundle is gone from the state directory; apply it again");
  return await begin(agent, id, envelope, true, signal);
}

async function begin(
  agent: Agent,
  id: string,
  envelope: Uint8Array,
  bundled: boolean,
  signal: AbortSignal,
): Promise<Event | Reply> {
  const from: Pick<Attempt, "id" | "bundled"> = { id, ...(bundled ? { bundled } : {}) };
  const taken = await takeEnvelope(agent, envelope, 0, from, signal);
  switch (taken.found) {
    case "news":
      return taken.event;
    case "refused":
      return refuse(taken.reason);
    case "hold":
      return { status: 0, sentence: taken.reason };
    default:
      return notNow("the device is at this very manifest already; wait for its end");
  }
}
