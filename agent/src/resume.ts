import type { Agent } from "./agent.ts";
import { bootedNow } from "./booted-now.ts";
import type { Event } from "./events.ts";
import { firstBootCourse } from "./first-boot.ts";
import { resumption } from "./machine.ts";

/** The event with which a start begins: what the record or the links say; undefined: the work again. */
export async function resumptionEvent(agent: Agent, rebooted: boolean): Promise<Event | undefined> {
  const { ports, notebook, config } = agent;
  const { state } = notebook.journal.machine;
  if (!("attempt" in state)) return undefined;
  const how = resumption[state.name][rebooted ? "afterReboot" : "sameBoot"];
  const committed = notebook.trust.channels[config.channel]?.committed;
  if (how.startsWith("record") && committed?.attempt === state.attempt.id)
    return { on: "committed", bootId: notebook.journal.bootId };
  if (how.startsWith("first boot")) return await setAside(agent);
  if (!how.endsWith("links")) return undefined;
  const { booted } = await bootedNow(ports);
  if (booted === state.attempt.storePath) return { on: "bootedNew" };
  // Before the way back is recorded nothing was touched: whatever runs was there before.
  if (!("prev" in state) || booted === state.prev.running || booted === state.prev.profile)
    return { on: "bootedPrev" };
  return { on: "bootedThird" };
}

/** An attempt that touched nothing yet makes way for the first boot of what is committed. */
async function setAside({ ports, notebook }: Agent): Promise<Event | undefined> {
  const { firstBoot } = notebook.journal.machine;
  if (firstBoot === undefined) return undefined;
  const course = firstBootCourse(firstBoot, await bootedNow(ports));
  if (course !== "came" && course !== "fell back") return undefined;
  return {
    on: "setAside",
    failure: {
      code: "REBOOTED",
      message: `the device rebooted, and revision ${firstBoot.attempt.revision} has to prove itself after its first boot before another takes its place; it is tried again afterwards`,
    },
  };
}
