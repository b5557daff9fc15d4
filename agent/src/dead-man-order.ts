/** When the dead-man is armed, and when its time has come. */
import { AgentError } from "./agent-error.ts";
import type { Agent } from "./agent.ts";
import type { Failure } from "./failure.ts";
import type { Journal } from "./journal.ts";
import type { Moment } from "./moment.ts";
import { elapsedMs } from "./moment.ts";
import type { Settings } from "./settings.ts";
import type { State } from "./states.ts";

/** An attempt that has touched the device, or is about to, and whose agent has to end it by itself. */
type Underway = Extract<
  State,
  { readonly name: "armed" | "activating" | "probation" | "committing" | "rollingBack" }
>;

export function isUnderway(state: State): state is Underway {
  switch (state.name) {
    case "armed":
    case "activating":
    case "probation":
    case "committing":
    case "rollingBack":
      return true;
    default:
      // Nothing is touched yet, nothing is left to undo, or a person has to reboot.
      return false;
  }
}

/** Longest that an attempt may take from here until its closure is proven. */
function limitMs({ activation, probation, deadMan }: Settings): number {
  const busyMs = activation.busyTries * activation.busyWaitMs;
  return busyMs + activation.limitMs + probation.limitMs + deadMan.marginMs;
}

/** Sentence of the failure or undefined. */
export async function armDeadMan(
  { ports, config }: Agent,
  attemptId: string,
  prev: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  return await ports.deadMan.arm({ attemptId, prev, afterMs: limitMs(config.settings) }, signal);
}

/**
 * Arms it again for an attempt under way: a reboot dropped it, it fired and was ended half way, or the
 * attempt began past the state that arms it.
 */
export async function rearm(agent: Agent, signal: AbortSignal): Promise<void> {
  const { ports, notebook } = agent;
  const { state } = notebook.journal.machine;
  // An attempt that is merely armed arms it by itself.
  if (!isUnderway(state) || state.name === "armed") return;
  // What ran already when it was offered, and is only to be recorded, leaves nothing to go back to.
  if (state.plan.order === "adopt" && state.name === "committing") return;
  // The attempt goes on: without an end the device would be worse off than without a dead-man.
  const unarmed = await armedAtLast(agent, state, signal);
  if (unarmed !== undefined) ports.log("error", `the dead-man could not be armed: ${unarmed}`);
}

/** Sentence of the failure or undefined. */
async function armedAtLast(
  agent: Agent,
  { attempt, prev }: Exclude<Underway, { readonly name: "armed" }>,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    if (await agent.ports.deadMan.armed(attempt.id, signal)) return undefined;
    return await armDeadMan(agent, attempt.id, prev.running, signal);
  } catch (cause) {
    // A full disk, or a service manager that does not answer.
    if (cause instanceof AgentError && (cause.kind === "state" || cause.kind === "tool"))
      return cause.message;
    throw cause;
  }
}

/** Sees to it, whenever it is called, that the dead-man is armed for the attempt under way: once for each. */
export function keepArmed(agent: Agent): (signal: AbortSignal) => Promise<void> {
  let seen = "";
  return async (signal) => {
    const { state } = agent.notebook.journal.machine;
    // What has rested in between has let its dead-man go by, as one does that waited for its reboot.
    if (!isUnderway(state)) seen = "";
    if (!isUnderway(state) || state.attempt.id === seen) return;
    await rearm(agent, signal);
    seen = state.attempt.id;
  };
}

/**
 * How long an agent that lives may still go on when the dead-man has fired. What comes after the proof
 * has limits of its own, counted from when it began. Pure.
 */
export function patienceMs(journal: Journal, now: Moment, settings: Settings): number {
  const { name } = journal.machine.state;
  if (name !== "committing" && name !== "rollingBack") return 0;
  if (journal.since.bootId !== now.bootId) return 0;
  return Math.max(0, limitMs(settings) - elapsedMs(journal.since, now));
}

/** What the dead-man found. */
export function overdueFailure(state: State, agentLived: boolean): Failure {
  return {
    code: "OVERDUE",
    message: agentLived
      ? `the agent hung while ${state.name} and was ended; see why in its journal, which ends there`
      : `no agent ran while ${state.name}; see in the journal why it ended and was not started again`,
  };
}
