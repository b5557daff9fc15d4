import type { Agent } from "../agent.ts";
import { answeredLately } from "../answered-lately.ts";
import { armDeadMan } from "../dead-man-order.ts";
import type { Event } from "../events.ts";
import { committedOf } from "../trust.ts";
import type { Step } from "./effect-result.ts";

const noWayBack = (message: string): Event => ({
  on: "unsecured",
  failure: { code: "NO_WAY_BACK", message },
});

type Wholeness = "whole" | "not whole" | "nobody can tell";

async function wholeness(
  { ports }: Agent,
  storePath: string,
  signal: AbortSignal,
): Promise<Wholeness> {
  const registered = await ports.nix.isValid(storePath, signal);
  // Who was asked to end, or has run out of time, was not answered either.
  signal.throwIfAborted();
  if (registered === undefined) return "nobody can tell";
  const runnable = await ports.links.runnable(storePath, "bin/switch-to-configuration");
  return registered && runnable ? "whole" : "not whole";
}

/** The same try may go well later: neither the closure nor the way back is to blame. */
const cannotTell = (storePath: string): Event => ({
  on: "unsecured",
  failure: {
    code: "TOOL_FAILED",
    message: `nix could not say whether ${storePath} is whole in the store; look whether /nix has space left, and what \`nix-store --check-validity\` says of it`,
  },
});

/** Records what runs, roots it, and takes the baseline by which the closure is judged. */
export const secure: Step<"secure"> = async (agent, { attempt }, signal) => {
  const { ports } = agent;
  const running = await ports.links.running();
  if (running === "")
    return noWayBack("/run/current-system names no system to return to; install one by hand first");
  await ports.links.root("prev", running);
  const back = await wholeness(agent, running, signal);
  if (back === "nobody can tell") return cannotTell(running);
  if (back === "not whole") {
    return noWayBack(
      `${running} runs but is not whole in the store; repair it with \`nix-store --repair-path\``,
    );
  }
  // A wait for leave may have been long, and whoever deletes paths by force asks no root.
  const forward = await wholeness(agent, attempt.storePath, signal);
  if (forward === "nobody can tell") return cannotTell(attempt.storePath);
  if (forward === "not whole") {
    return {
      on: "unsecured",
      failure: {
        code: "TOOL_FAILED",
        message: `${attempt.storePath} is not whole in the store any more, though it was inspected; it is fetched again at the next try`,
      },
    };
  }
  const unarmed = await armDeadMan(agent, attempt.id, running, signal);
  if (unarmed !== undefined) {
    return noWayBack(
      `the dead-man, which goes back when the agent cannot, could not be armed: ${unarmed}; see the journal of the device`,
    );
  }
  const named = await ports.links.profile();
  // What is gone is nothing to return to, and nothing that a boot loader could fall back to. Nix that
  // cannot tell is no reason to do without.
  const bootable =
    named.storePath !== "" &&
    (await ports.nix.isValid(named.storePath, signal)) !== false &&
    (await ports.links.runnable(named.storePath, "bin/switch-to-configuration"));
  const profile = bootable ? named : { number: 0, storePath: "" };
  if (bootable) await ports.links.root("prev-profile", profile.storePath);
  // The switch resets failed units, so only a look beforehand tells which had failed already.
  const failedUnits = await ports.health.failedUnits(signal);
  return {
    on: "secured",
    prev: {
      running,
      booted: await ports.links.booted(),
      profile: profile.storePath,
      generation: profile.number,
      ...(failedUnits === undefined ? {} : { failedUnits }),
      inContact: answeredLately(agent),
      ...committedOf(agent.notebook.trust, attempt.channel),
    },
  };
};
