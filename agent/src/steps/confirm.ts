import type { Agent } from "../agent.ts";
import type { Event } from "../events.ts";
import { takeLeave } from "../leave.ts";
import { poll } from "../poll.ts";
import { unreachable } from "../unreachable.ts";
import type { Step } from "./effect-result.ts";
import { storedManifest } from "./stored-manifest.ts";

/**
 * Asks once more before anything is touched: a download may have taken hours, and the release may
 * have been paused meanwhile. A server that does not answer holds nothing up that it offered shortly before.
 */
export const confirm: Step<"confirm"> = async (agent, { attempt }, signal) => {
  const opened = await storedManifest(agent, attempt);
  if (!opened.ok) return { on: "withdrawn", code: opened.code, message: opened.message };
  // Whoever brought a bundle has said so already, at a device that may reach no server at all.
  if (attempt.bundled === true) return await clearedHere(agent);
  const asked = await poll(agent, signal);
  switch (asked.found) {
    case "the same":
      return await clearedHere(agent);
    case "news":
      return asked.event;
    case "hold":
    case "refused":
      return { on: "held", reason: asked.reason };
    case "nothing said": {
      const { offered } = agent.contact;
      const withinMs = agent.config.settings.staged.confirmedWithinMs;
      const recent =
        offered?.payloadSha256 === attempt.payloadSha256 &&
        agent.ports.clock.monotonicMs() - offered.atMs < withinMs;
      return recent
        ? await clearedHere(agent)
        : { on: "held", reason: `the server does not answer: ${asked.message}` };
    }
    default:
      return unreachable(asked);
  }
};

/** The device's own say comes last: a window must be open when the closure is taken into use. */
async function clearedHere(agent: Agent): Promise<Event> {
  if (!freshlyInspected(agent)) return { on: "stale" };
  const hold = await takeLeave(agent);
  return hold === undefined ? { on: "cleared" } : { on: "held", ...hold };
}

/** A wait may have lasted days: what was read of the closure so long ago is read once more. */
function freshlyInspected({ notebook, config }: Agent): boolean {
  const { state } = notebook.journal.machine;
  const now = notebook.now();
  const inspected = state.name === "staged" ? state.plan?.inspected : undefined;
  return (
    inspected?.bootId === now.bootId &&
    now.ms - inspected.ms < config.settings.staged.inspectedWithinMs
  );
}
