import { AgentError } from "./agent-error.ts";
import type { Agent } from "./agent.ts";
import type { Config } from "./config.ts";
import { isUnderway, overdueFailure, patienceMs } from "./dead-man-order.ts";
import type { Journal } from "./journal.ts";
import type { Ports } from "./ports/ports.ts";
import type { Server } from "./ports/server.ts";
import { openAgent, takeUp, waitMs, workOnce } from "./run-agent.ts";

/** The agent that is, or should be, at work. */
export interface RunningAgent {
  /** Takes its lock and gives what releases it; undefined: held for longer than so many seconds. */
  lock(waitS: number): (() => void) | undefined;
  /** `asked`: by SIGTERM and by its service manager; `killed`: it cannot but end. */
  end(how: "asked" | "killed", signal: AbortSignal): Promise<void>;
  /**
   * Where a service manager keeps it.
   *
   * @throws {AgentError} kind `tool` when the manager does not start it.
   */
  startAgain(signal: AbortSignal): Promise<void>;
}

const TRIES = 3;

/** Between two looks at an agent that is given time. */
const LOOK_MS = 1_000;

/** Going back must not depend on a network, nor on credentials that only the agent's service has. */
const UNASKED = {
  got: "silence",
  message: "the dead-man asks no server",
  unasked: true,
} as const;

/**
 * What the dead-man does when it fires: nothing when the attempt has ended, or is committed. Else it
 * ends the agent that hangs, takes its lock, and goes back by the machine of every agent. Ended half
 * way, it is taken up by its own next try, or by the next agent. Whatever came of it, the agent is
 * started: it may have been ended by a try before this one.
 *
 * @returns whether it went back.
 * @throws {AgentError} kind `busy` when somebody holds the lock who cannot be ended, `tool` when the
 * agent cannot be started again.
 */
export async function fireDeadMan(
  ports: Ports,
  config: Config,
  attemptId: string,
  running: RunningAgent,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return await takeOver(ports, config, attemptId, running, signal);
  } finally {
    // Also when this program is asked to end.
    await running.startAgain(new AbortController().signal);
  }
}

async function takeOver(
  ports: Ports,
  config: Config,
  attemptId: string,
  running: RunningAgent,
  signal: AbortSignal,
): Promise<boolean> {
  const taken = await takeFrom(ports, config, attemptId, running, signal);
  if (taken === undefined) {
    ports.log("info", "the dead-man finds nothing to do", { attempt: attemptId });
    return false;
  }
  try {
    return await goBack(ports, config, attemptId, taken.agentLived, signal);
  } finally {
    taken.release();
  }
}

/** The lock, as soon as whoever holds it has had the time that is due; undefined: nothing to do. */
async function takeFrom(
  ports: Ports,
  { settings }: Config,
  attemptId: string,
  running: RunningAgent,
  signal: AbortSignal,
): Promise<{ readonly release: () => void; readonly agentLived: boolean } | undefined> {
  const graceS = Math.ceil(settings.deadMan.graceMs / 1000);
  const bootId = await ports.clock.bootId();
  for (let tries = 0; tries < TRIES;) {
    const journal = await ports.journal.read();
    if (journal === undefined || !concerns(journal, attemptId)) return undefined;
    const free = running.lock(0);
    if (free !== undefined) return { release: free, agentLived: tries > 0 };
    const patience = patienceMs(journal, { bootId, ms: ports.clock.monotonicMs() }, settings);
    if (patience > 0) {
      // It may well bring the attempt to its end before that.
      await ports.clock.sleep(Math.min(patience, LOOK_MS), signal);
      continue;
    }
    tries += 1;
    for (const how of ["asked", "killed"] as const) {
      await running.end(how, signal);
      const release = running.lock(graceS);
      if (release !== undefined) return { release, agentLived: true };
    }
  }
  throw new AgentError(
    "busy",
    "the agent hangs and cannot be ended; reboot the device, which then goes back by itself",
    undefined,
  );
}

function concerns({ machine: { state } }: Journal, attemptId: string): boolean {
  return isUnderway(state) && state.attempt.id === attemptId;
}

async function goBack(
  ports: Ports,
  config: Config,
  attemptId: string,
  agentLived: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const server: Server = { ...ports.server, checkIn: async () => await Promise.resolve(UNASKED) };
  const agent = await openAgent({ ...ports, server }, config);
  const { notebook } = agent;
  // The agent may have gone on until it ended: the journal is looked at anew, and then the record.
  if (!concerns(notebook.journal, attemptId)) return false;
  await takeUp(agent);
  const { state } = notebook.journal.machine;
  if (concerns(notebook.journal, attemptId) && state.name !== "rollingBack") {
    await notebook.record({ on: "overdue", failure: overdueFailure(state, agentLived) });
  }
  await workToRest(agent, signal);
  return true;
}

/** The work of one state after the other until there is none left. */
async function workToRest(agent: Agent, signal: AbortSignal): Promise<void> {
  const { notebook, ports } = agent;
  for (;;) {
    const waits = waitMs(agent);
    if (waits > 0) await ports.clock.sleep(waits, signal);
    const { name } = notebook.journal.machine.state;
    const event = await workOnce(agent, signal);
    if (name === "idle" || name === "stuck" || event === undefined) return;
    if (!(await notebook.record(event))) return;
  }
}
