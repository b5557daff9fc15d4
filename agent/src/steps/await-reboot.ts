import type { Agent } from "../agent.ts";
import { noteContact } from "../answered-lately.ts";
import type { Attempt } from "../attempt.ts";
import { rebootHold } from "../reboot-hold.ts";
import type { Step } from "./effect-result.ts";
import { switchedByOthers } from "./switched-by-others.ts";

/**
 * A person reboots, or the device by its policy; until then there is nothing to do. Another system
 * that runs ends the wait, and what the next boot alone was to start with it.
 */
export const awaitReboot: Step<"awaitReboot"> = async (agent, { attempt, plan, prev }, signal) => {
  const { ports } = agent;
  const running = await ports.links.running();
  if (running !== prev.running) {
    await ports.loader.bootOnce(undefined, signal);
    return switchedByOthers(running);
  }
  await noteContact(agent);
  const guarded = plan.oneShot && prev.generation > 0;
  const hold = offeredStill(agent, attempt)
    ? await rebootHold(agent, guarded)
    : "the server has to offer the revision once more first";
  if (hold === undefined) await rebootInto(agent, attempt, signal);
  else {
    ports.log("info", "a reboot is needed", { revision: attempt.revision, hold });
    await agent.notebook.setRebootHold(hold);
  }
  return "rest";
};

/** A release that was paused or withdrawn is not rebooted into by itself. */
function offeredStill({ contact, ports, config }: Agent, attempt: Attempt): boolean {
  const { offered } = contact;
  return (
    offered?.payloadSha256 === attempt.payloadSha256 &&
    ports.clock.monotonicMs() - offered.atMs < config.settings.staged.confirmedWithinMs
  );
}

/** Asks for the reboot. One that is refused is asked for again at the next poll. */
export async function rebootInto(
  { ports, notebook }: Agent,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<void> {
  ports.log("info", "reboots", { revision: attempt.revision, storePath: attempt.storePath });
  const said = await ports.power.reboot(signal);
  if (said !== undefined) ports.log("warn", said);
  await notebook.setRebootHold(said);
}

/** The last resort of a return, or its only way. */
export const reboot: Step<"reboot"> = async ({ ports }, _effect, signal) => {
  ports.log("warn", "reboots to return to the previous system");
  const said = await ports.power.reboot(signal);
  return said === undefined
    ? "rest"
    : { on: "unrestored", failure: { code: "ROLLBACK_FAILED", message: said } };
};
