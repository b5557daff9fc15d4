import type { Agent } from "./agent.ts";
import type { Attempt, Plan, WayBack } from "./attempt.ts";
import { rebootRequired } from "./boot-parts.ts";
import type { Event } from "./events.ts";
import { knowsNoAttempt } from "./lost-journal.ts";
import type { Generation } from "./ports/links.ts";
import { committedOf } from "./trust.ts";
import { isWholeSystem } from "./whole-system.ts";

/**
 * A manifest for the system that runs needs no activation. It needs a proof first where nobody has
 * proven it: the device is stuck with it, it merely runs and would not be booted, or the journal of an
 * attempt at it is lost.
 *
 * @param attempted whether the manifest was the floor before it was offered.
 */
export async function runningOffer(
  agent: Agent,
  attempt: Attempt,
  attempted: boolean,
  signal: AbortSignal,
): Promise<Event> {
  const { notebook, ports, config } = agent;
  const running = attempt.storePath;
  const { state } = notebook.journal.machine;
  const plan: Plan = {
    order: "adopt",
    rebootRequired: await rebootRequired(ports, running),
    oneShot: await ports.loader.oneShot(signal),
    healthCmd: "",
    healthyBefore: true,
    inspected: notebook.now(),
  };
  const unproven = async (prev: WayBack): Promise<Event> => {
    await ports.links.root("prev", prev.running);
    return { on: "unprovenRuns", attempt, plan, prev };
  };
  if (state.name === "stuck" && state.attempt.storePath === running)
    return await unproven(state.prev);

  const profile = await ports.links.profile();
  // Which had failed before nobody knows any more: those that have failed now do not count.
  const failedUnits = await ports.health.failedUnits(signal);
  const prev = {
    running,
    booted: await ports.links.booted(),
    profile: profile.storePath,
    generation: profile.number,
    ...(failedUnits === undefined ? {} : { failedUnits }),
    inContact: true,
    ...committedOf(notebook.trust, config.channel),
  };
  const lost = attempted && knowsNoAttempt(notebook.journal);
  const before = await systemBefore(agent, prev, lost, signal);
  if (before === undefined) {
    await ports.links.root("prev", running);
    return { on: "adopted", attempt, plan, prev };
  }
  if (lost)
    ports.log("warn", "the journal of an attempt is lost; what runs has to prove itself", {
      storePath: running,
    });
  const { storePath, number } = before;
  return await unproven({ ...prev, running: storePath, profile: storePath, generation: number });
}

/**
 * The system to return to when what runs does not prove itself: what would be booted, or, once the
 * profile names what runs, what was booted. Undefined: there is none, or a person switched in order.
 */
async function systemBefore(
  { ports }: Agent,
  { running, booted, profile, generation }: WayBack,
  lost: boolean,
  signal: AbortSignal,
): Promise<Generation | undefined> {
  const found =
    profile !== running
      ? { storePath: profile, number: generation }
      : lost && booted !== running
        ? (await ports.links.generations()).findLast(({ storePath }) => storePath === booted)
        : undefined;
  if (found === undefined || found.storePath === "") return undefined;
  return (await isWholeSystem(ports, found.storePath, signal)) ? found : undefined;
}
