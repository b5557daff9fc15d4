import type { Agent } from "../agent.ts";
import { ofBundle } from "../bundle-failure.ts";
import { nothingMoved, onTopOf, withMissing } from "../copy-progress.ts";
import type { Event } from "../events.ts";
import { budgetHold, openMeter } from "../metered-copy.ts";
import type { Copy } from "../ports/nix.ts";
import type { Step } from "./effect-result.ts";
import { rootIfRoom } from "./root-if-room.ts";
import { storedManifest } from "./stored-manifest.ts";

/** Holds a path, valid or not yet: a collection between copy and use must find it kept. */
export const root: Step<"root"> = async (agent, { name, storePath, ifRoom }) => {
  if (ifRoom === true) await rootIfRoom(agent, name, storePath);
  else await agent.ports.links.root(name, storePath);
  return undefined;
};

export const copy: Step<"copy"> = async (agent, { attempt }, signal) => {
  const opened = await storedManifest(agent, attempt);
  if (!opened.ok) return { on: "withdrawn", code: opened.code, message: opened.message };
  // Asking first spares a device that has the closure every contact with its caches.
  if ((await agent.ports.nix.isValid(attempt.storePath, signal)) === true) return { on: "fetched" };
  const hold = opened.copy.atHand === true ? undefined : await budgetHold(agent);
  if (hold !== undefined) return { on: "held", ...hold };
  await agent.notebook.goOn();
  return await fetch(agent, opened.copy, signal);
};

async function fetch(agent: Agent, from: Copy, signal: AbortSignal): Promise<Event> {
  const { notebook, ports } = agent;
  const missingPaths = async () => (await ports.nix.missing(from, signal))?.paths;
  const meter = from.atHand === true ? undefined : await openMeter(agent);
  const missingBefore = meter?.whole === true ? await missingPaths() : undefined;
  const before = notebook.progress ?? nothingMoved;
  const both = meter === undefined ? signal : AbortSignal.any([signal, meter.spent]);
  let failure;
  let spent = false;
  try {
    failure = await ports.nix.copy(
      from,
      (moved) => {
        notebook.setProgress(onTopOf(before, moved));
        meter?.count(moved.bytesDone);
      },
      both,
    );
  } catch (cause) {
    if (signal.aborted || meter?.spent.aborted !== true) throw cause;
    spent = true;
  } finally {
    await meter?.close();
  }
  const missing = failure === undefined && !spent ? 0 : await missingPaths();
  notebook.setProgress(withMissing(notebook.progress ?? before, missing));
  if (spent) return await stopped(agent, missingBefore, missing);
  if (failure === undefined) return { on: "fetched" };
  return { on: "fetchFailed", failure: from.atHand === true ? ofBundle(failure) : failure };
}

/** What the budget of bytes stopped goes on later, unless it would never get further. */
async function stopped(
  agent: Agent,
  missingBefore: number | undefined,
  missing: number | undefined,
): Promise<Event> {
  if (missingBefore !== undefined && missing !== undefined && missing >= missingBefore) {
    const message =
      "a whole byteBudget was spent and not one path arrived whole; raise it above the largest path of the closure";
    return { on: "fetchFailed", failure: { code: "TOO_MUCH_DATA", message } };
  }
  // The period may have ended at this very moment.
  const hold = await budgetHold(agent);
  return { on: "held", ...(hold ?? { reason: "the byteBudget was spent", lookAgainMs: 0 }) };
}
