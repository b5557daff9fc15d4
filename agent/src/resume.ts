import type { Agent } from "./agent.ts";
import type { Event } from "./events.ts";
import { resumption } from "./machine.ts";

/** The event with which a start begins: what the record or the links say; undefined: the work again. */
export async function resumptionEvent(
  { ports, notebook, config }: Agent,
  rebooted: boolean,
): Promise<Event | undefined> {
  const { state } = notebook.journal.machine;
  if (!("attempt" in state)) return undefined;
  const how = resumption[state.name][rebooted ? "afterReboot" : "sameBoot"];
  const committed = notebook.trust.channels[config.channel]?.committed;
  if (how.startsWith("record") && committed?.payloadSha256 === state.attempt.payloadSha256)
    return { on: "committed" };
  if (!how.endsWith("links")) return undefined;
  const booted = (await ports.links.booted()) || (await ports.links.running());
  if (booted === state.attempt.storePath) return { on: "bootedNew" };
  // Before the way back is recorded nothing was touched: whatever runs was there before.
  if (!("prev" in state) || booted === state.prev.running || booted === state.prev.profile)
    return { on: "bootedPrev" };
  return { on: "bootedThird" };
}
