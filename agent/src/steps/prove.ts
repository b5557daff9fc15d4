import type { Agent } from "../agent.ts";
import type { Plan, WayBack } from "../attempt.ts";
import { checkIn } from "../check-in.ts";
import type { Failure } from "../failure.ts";
import type { Step } from "./effect-result.ts";
import { newFailedUnits, unitsSentence } from "./new-failed-units.ts";
import { agentFailure } from "./next-agent.ts";
import { switchedByOthers } from "./switched-by-others.ts";

/**
 * Checks until everything passes several times in a row, or time is up. One pass proves little: a
 * service that dies a second after it started is up when it is first looked at.
 */
export const prove: Step<"prove"> = async (agent, { attempt, plan, prev }, signal) => {
  const { ports, config, notebook } = agent;
  const { limitMs, passes, passIntervalMs } = config.settings.probation;
  const { since } = notebook.journal;
  // The window goes on over a crash of the agent; after a reboot it begins anew.
  const deadlineMs =
    (since.bootId === notebook.now().bootId ? since.ms : notebook.now().ms) + limitMs;
  const environment = {
    NIX_OTA_CHANNEL: attempt.channel,
    NIX_OTA_REVISION: String(attempt.revision),
  };

  let passed = 0;
  let agentPassed = false;
  for (;;) {
    const running = await ports.links.running();
    if (running !== attempt.storePath) {
      return switchedByOthers(running);
    }
    const failure =
      (await check(agent, plan, prev, environment, signal)) ??
      // Once is enough: nothing that it looks at changes by itself. Last, for it is the dearest.
      (agentPassed ? undefined : await agentFailure(agent, attempt, signal));
    if (failure === undefined) agentPassed = true;
    passed = failure === undefined ? passed + 1 : 0;
    if (passed >= passes) return { on: "proven" };
    const leftMs = deadlineMs - ports.clock.monotonicMs();
    // Only a check that fails ends the window: an agent that was away for all of it says nothing
    // about the closure.
    if (leftMs <= 0 && failure !== undefined) return { on: "unproven", failure };
    await ports.clock.sleep(passIntervalMs, signal);
  }
};

/** One look at everything; what fails first is told. */
async function check(
  agent: Agent,
  plan: Plan,
  prev: WayBack,
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const units = await newFailedUnits(agent, prev, signal);
  if (units.length > 0) return { code: "UNITS_FAILED", message: unitsSentence(units) };
  return (
    (await healthFailure(agent, plan, environment, signal)) ??
    (await contactFailure(agent, prev, signal))
  );
}

async function healthFailure(
  { ports, config }: Agent,
  plan: Plan,
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  // The closure knows best what its health is.
  const command = plan.healthCmd === "" ? config.healthCmd : plan.healthCmd;
  if (command === "") return undefined;
  const result = await ports.health.check(command, environment, signal);
  if (result.health === "passed") return undefined;
  if (!plan.healthyBefore) {
    ports.log("warn", "the health command does not pass, as it did not before the update", {
      detail: result.detail,
    });
    return undefined;
  }
  return {
    code: result.health === "not run" ? "HEALTH_NOT_RUN" : "HEALTH_FAILED",
    message: `the health command ${result.detail}; run it on the device to see why`,
  };
}

/**
 * The server's silence is the closure's fault only if it answered shortly before: an outage of the
 * server must not roll back a fleet. Any authentic answer proves contact, also one that refuses.
 */
async function contactFailure(
  agent: Agent,
  prev: WayBack,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const answer = await checkIn(agent, signal, "a connection of its own");
  if (answer.got !== "silence" || !prev.inContact) return undefined;
  return {
    code: "CONTACT_LOST",
    message: `the server answered before the update and does not since: ${answer.message}; check the network configuration of the closure`,
  };
}
