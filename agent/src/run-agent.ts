import { AgentError } from "./agent-error.ts";
import type { Agent } from "./agent.ts";
import { bootedNow } from "./booted-now.ts";
import { checkIn } from "./check-in.ts";
import type { Config } from "./config.ts";
import { noContact } from "./contact.ts";
import { keepArmed } from "./dead-man-order.ts";
import { doing } from "./doing.ts";
import { work } from "./effects.ts";
import type { Event } from "./events.ts";
import { execute } from "./executor.ts";
import { failureEvent } from "./failure-event.ts";
import { leaveQuiet } from "./leave-quiet.ts";
import { CHANGING, takeLeave } from "./leave.ts";
import { knowsNoAttempt } from "./lost-journal.ts";
import { budgetHold } from "./metered-copy.ts";
import { openNotebook } from "./notebook.ts";
import type { Outcome } from "./outcome.ts";
import { pollPatienceMs, waitPatienceMs, workPatienceMs } from "./patience.ts";
import { pollMs } from "./poll-interval.ts";
import { poll } from "./poll.ts";
import type { Asked } from "./poll.ts";
import type { Ports } from "./ports/ports.ts";
import type { ReportedAttempt } from "./reported-event.ts";
import { resumptionEvent } from "./resume.ts";
import type { StateName } from "./states.ts";
import { workLimit } from "./work-limit.ts";

/**
 * `run`: until the signal. `once`: one poll, and what follows from it until the device rests.
 * `answer`: what people at the device ask, and nothing that the server offers meanwhile.
 */
export type Mode = "run" | "once" | "answer";

/** Where the device rests when the agent ends. */
export interface Rest {
  readonly state: StateName;
  /** The attempt that ended during this run; undefined: none did. */
  readonly ended: ReportedAttempt | undefined;
  /** Whether the manifest offered last did not pass the gate. */
  readonly refused: boolean;
  /** Whether the server answered the last call. */
  readonly inContact: boolean;
}

/** States whose work goes on beside polls: a newer manifest or a withdrawal ends it. */
const WATCHED: ReadonlySet<StateName> = new Set(["accepted", "fetching"]);

/**
 * The agent: takes up what an earlier one left, then polls and works. The caller holds the lock.
 *
 * Everything durable goes through `ports.journal`, `ports.trust`, `ports.manifests` and
 * `ports.outbox`; a test that wraps one of them sees every durable write and may kill the process
 * after any of them.
 *
 * @throws {AgentError} when the agent cannot go on; the journal is whole and another start takes it up.
 */
export async function runAgent(
  ports: Ports,
  config: Config,
  mode: Mode,
  signal: AbortSignal,
): Promise<Rest> {
  const agent = await openAgent(ports, config);
  const endedBefore = agent.notebook.journal.last?.id;
  await takeUp(agent);
  const armed = keepArmed(agent);
  await armed(signal);
  ports.overseer.doing(doing(agent.notebook.journal));
  ports.overseer.ready();
  const following = new AbortController();
  if (mode === "run") await ports.server.follow(AbortSignal.any([signal, following.signal]));
  try {
    const refused = await follow(agent, mode, armed, signal);
    const rest = { ...(await settle(agent, endedBefore, signal)), refused };
    if (mode === "once" && !signal.aborted) await leaveQuiet(agent);
    return rest;
  } finally {
    following.abort();
    ports.inhibition.reopen();
    await ports.overseer.ending();
  }
}

/** The agent before it does anything, over what the state directory holds. */
export async function openAgent(ports: Ports, config: Config): Promise<Agent> {
  await ports.disk.makeDirectory(config.stateDir);
  for (const directory of ["manifests", "outbox", "result"]) {
    await ports.disk.makeDirectory(`${config.stateDir}/${directory}`);
  }
  await ports.quiet.forget();
  const notebook = await openNotebook(ports, config);
  return { ports, config, notebook, contact: noContact() };
}

/** Polls and works in turn; whether the manifest that was offered last was refused. */
async function follow(
  agent: Agent,
  mode: Mode,
  armed: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<boolean> {
  const { ports, config, notebook } = agent;
  let asked = false;
  let waited = false;
  let refused = false;
  // Before anybody's wish: a journal that is lost may have known that what runs is to be left.
  if (knowsNoAttempt(notebook.journal)) await rest(agent, signal);
  while (!signal.aborted) {
    const { name } = notebook.journal.machine.state;
    ports.overseer.doing(doing(notebook.journal));
    await armed(signal);
    if (CHANGING.has(name)) ports.inhibition.close();
    else ports.inhibition.reopen();
    if (await moved(agent, signal)) continue;
    if (name === "idle" || name === "stuck") {
      if (await rest(agent, signal)) continue;
      if (mode === "answer") break;
      if (mode === "run" && name === "idle" && (await ports.succession.superseded())) {
        ports.log("info", "ends, so that the agent of the system that runs takes over");
        break;
      }
      if (mode === "once" && asked) break;
      asked = true;
      const found = await poll(agent, signal);
      refused = found.found === "refused";
      ports.log("info", "asked", {
        found: found.found,
        ...("reason" in found ? { reason: found.reason } : {}),
        ...("message" in found ? { message: found.message } : {}),
      });
      if (found.found === "news" && (await notebook.record(found.event))) continue;
      if (mode === "once") break;
      await untilPoll(agent, untilPollMs(agent), signal);
      continue;
    }
    asked = true;
    const waits = waitMs(agent);
    if (waits > 0) {
      // A return that failed is never left for later: the device is between two systems.
      if (mode !== "run" && name !== "rollingBack" && waits > config.settings.once.waitMs) break;
      if (await untilPoll(agent, Math.min(waits, untilPollMs(agent)), signal))
        await heed(agent, await poll(agent, signal));
      continue;
    }
    const event = WATCHED.has(name)
      ? await workWatched(agent, signal)
      : await workOnce(agent, signal);
    const went = event !== undefined && (await notebook.record(event));
    if (went && event.on !== "held") continue;
    if (event?.on === "held") await tellHold(agent, event.reason, signal);
    if (mode === "answer") break;
    if (mode === "once") {
      // A device that waits for its reboot asks as well: for what is newer, and whether it may still reboot.
      if (event !== undefined || waited) break;
      waited = true;
      await heed(agent, await poll(agent, signal));
      continue;
    }
    const due =
      event?.on === "held" && event.lookAgainMs !== undefined
        ? await standBy(agent, signal)
        : await untilPoll(agent, untilPollMs(agent), signal);
    // What is staged asks by itself before it goes on.
    if (due && name !== "staged") await heed(agent, await poll(agent, signal));
  }
  return refused;
}

/** An operator must not wait for the next poll to learn what a device waits for. */
async function tellHold(agent: Agent, reason: string, signal: AbortSignal): Promise<void> {
  const { ports, contact, notebook } = agent;
  ports.log("info", "held", { reason });
  if (contact.misses === 0 && (await notebook.hasUntold())) await checkIn(agent, signal);
}

/** Until the next poll is due, or what holds the update back on the device itself is over. As `untilPoll`. */
async function standBy(agent: Agent, signal: AbortSignal): Promise<boolean> {
  const { clock } = agent.ports;
  const dueMs = clock.monotonicMs() + untilPollMs(agent);
  for (let leftMs = dueMs - clock.monotonicMs(); leftMs > 0; leftMs = dueMs - clock.monotonicMs()) {
    const { name } = agent.notebook.journal.machine.state;
    const hold = name === "fetching" ? await budgetHold(agent) : await takeLeave(agent);
    if (hold === undefined) return true;
    const woken = await pause(agent, Math.min(leftMs, hold.lookAgainMs), signal);
    if (woken === "pushed") return true;
    if (woken === "asked" && (await moved(agent, signal))) return false;
  }
  return true;
}

/**
 * Until so many milliseconds are over or the server has something to say, and what people at the
 * device ask is met meanwhile. False: that moved the machine before a poll was due.
 */
async function untilPoll(agent: Agent, ms: number, signal: AbortSignal): Promise<boolean> {
  const { clock } = agent.ports;
  const dueMs = clock.monotonicMs() + ms;
  for (let leftMs = ms; leftMs > 0; leftMs = dueMs - clock.monotonicMs()) {
    if ((await pause(agent, leftMs, signal)) !== "asked") return true;
    if (await moved(agent, signal)) return false;
  }
  return true;
}

/** Whether what people at the device ask moves the machine. */
async function moved(agent: Agent, signal: AbortSignal): Promise<boolean> {
  const asks = await requested(agent, signal);
  return asks !== undefined && (await agent.notebook.record(asks));
}

/** What people at the device ask. Loaded when somebody does. */
async function requested(agent: Agent, signal: AbortSignal): Promise<Event | undefined> {
  if ((await agent.ports.requests.pending()).length === 0) return undefined;
  const { heedRequests } = await import("./local-requests.ts");
  return await heedRequests(agent, signal);
}

/** Until the time is over, or the server or somebody at the device has something to say. */
async function pause(
  { ports }: Agent,
  ms: number,
  signal: AbortSignal,
): Promise<"over" | "pushed" | "asked"> {
  ports.overseer.comesBy(waitPatienceMs(ms));
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  try {
    return await Promise.race([
      ports.clock.sleep(ms, either).then(() => "over" as const),
      ports.server.pushed(either).then(() => "pushed" as const),
      ports.requests.arrived(either).then(() => "asked" as const),
    ]);
  } finally {
    over.abort();
  }
}

/** Goes on where the journal says, or where the links say after a reboot. */
export async function takeUp(agent: Agent): Promise<void> {
  const { notebook, ports } = agent;
  const { state } = notebook.journal.machine;
  const rebooted = notebook.journal.bootId !== (await ports.clock.bootId());
  if (state.name !== "idle") ports.log("info", "taken up", { state: state.name, rebooted });
  notebook.inspectAnew();
  // What a run came to before the reboot says nothing about the links after it.
  if (rebooted) await ports.activation.forget(undefined);
  const event = await resumptionEvent(agent, rebooted);
  if (event !== undefined) await notebook.record(event);
  if (rebooted) await notebook.forgetReboot((await bootedNow(ports)).booted);
}

/** The work of a state that waits for something: tidies, or sees what came about. Whether that moved the machine. */
async function rest(agent: Agent, signal: AbortSignal): Promise<boolean> {
  const event = await workOnce(agent, signal);
  return event !== undefined && (await agent.notebook.record(event));
}

/** The effects of the state, one after the other, until one has an event; undefined: there is nothing to do. */
export async function workOnce(agent: Agent, signal: AbortSignal): Promise<Event | undefined> {
  const { machine } = agent.notebook.journal;
  const { state } = machine;
  agent.ports.overseer.comesBy(workPatienceMs(state.name, agent.config.settings));
  const limit = workLimit(agent, state.name, signal);
  try {
    for (const effect of work(machine)) {
      const result = await execute(agent, effect, limit.signal);
      if (result === "rest") return undefined;
      if (result !== undefined) return result;
    }
    return undefined;
  } catch (cause) {
    signal.throwIfAborted();
    if (limit.over()) return failureEvent(state, limit.failure);
    if (!(cause instanceof AgentError) || (cause.kind !== "tool" && cause.kind !== "state"))
      throw cause;
    const code = cause.kind === "tool" ? "TOOL_FAILED" : "STATE_UNWRITABLE";
    agent.ports.log("error", cause.message, {
      state: state.name,
      cause: String(cause.cause).slice(0, 1000),
    });
    return failureEvent(state, { code, message: cause.message });
  } finally {
    limit.end();
  }
}

/** The same beside polls, which report progress and may bring something that ends the work. */
async function workWatched(agent: Agent, signal: AbortSignal): Promise<Event | undefined> {
  const { ports } = agent;
  const given = new AbortController();
  const both = AbortSignal.any([signal, given.signal]);
  const working = workOnce(agent, both);
  let over = false;
  const done = working.then(
    () => (over = true),
    () => (over = true),
  );
  let interruption: Event | undefined;
  let broke: { readonly cause: unknown } | undefined;
  const watch = async () => {
    let dueMs = ports.clock.monotonicMs() + untilPollMs(agent);
    while (!over) {
      const leftMs = Math.max(0, dueMs - ports.clock.monotonicMs());
      const woken = await Promise.race([done, pause(agent, leftMs, both)]);
      if (over) return;
      const asks = await requested(agent, both);
      const polls = asks === undefined && woken !== "asked";
      const found = polls ? await poll(agent, both) : undefined;
      if (polls) dueMs = ports.clock.monotonicMs() + untilPollMs(agent);
      const event = asks ?? (found?.found === "news" ? found.event : undefined);
      if (event === undefined || event.on === "retryAsked") continue;
      interruption = event;
      given.abort();
      return;
    }
  };
  // Whatever ends the watch ends the work: nobody would hear a withdrawal any more.
  const watching = watch().catch((cause: unknown) => {
    if (!both.aborted) broke = { cause };
    given.abort();
  });
  try {
    const event = await working;
    given.abort();
    // The watch ends by the abort; what it was doing then is of no matter any more.
    await watching;
    return interruption ?? event;
  } catch (cause) {
    given.abort();
    await watching;
    if (broke !== undefined) throw broke.cause;
    if (interruption !== undefined && !signal.aborted) return interruption;
    throw cause;
  }
}

async function heed({ notebook }: Agent, found: Asked): Promise<void> {
  if (found.found === "news") await notebook.record(found.event);
}

function untilPollMs({ config, contact, ports }: Agent): number {
  return pollMs(config, contact, ports.chance.fraction());
}

/** What is left of the wait between two tries of a copy or a return. */
export function waitMs({ notebook }: Agent): number {
  const { rest, machine } = notebook.journal;
  const now = notebook.now();
  const retries = "tries" in machine.state && machine.state.tries > 0;
  return retries && rest !== undefined && rest.bootId === now.bootId
    ? Math.max(0, rest.ms - now.ms)
    : 0;
}

/** Tells the server how it ended, as far as it listens, and says where the device rests. */
async function settle(
  agent: Agent,
  endedBefore: string | undefined,
  signal: AbortSignal,
): Promise<Omit<Rest, "refused">> {
  const { notebook, ports, contact, config } = agent;
  for (let calls = 0; calls < 16 && !signal.aborted; calls += 1) {
    ports.overseer.comesBy(pollPatienceMs(config.settings));
    if (!(await notebook.hasUntold())) break;
    const answer = await checkIn(agent, signal);
    if (answer.got !== "answer" || answer.value.acknowledgedEventIds.length === 0) break;
  }
  const { last, machine } = notebook.journal;
  return {
    state: machine.state.name,
    ended: last !== undefined && last.id !== endedBefore ? last : undefined,
    inContact: contact.misses === 0 && contact.answeredAtMs !== undefined,
  };
}

/** Exit status of `once`. */
export function exitStatus({ state, ended, refused, inContact }: Rest): number {
  if (state === "stuck") return 6;
  if (refused) return 3;
  if (ended !== undefined) return statusOfOutcome[ended.outcome ?? "failed"];
  if (state !== "idle") return 5;
  return inContact ? 0 : 1;
}

const statusOfOutcome: Record<Outcome, number> = {
  applied: 0,
  superseded: 0,
  rejected: 3,
  failed: 4,
  rolled_back: 4,
  interrupted: 4,
  external_change: 4,
};
