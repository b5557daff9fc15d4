import { entriesFor } from "../effects.ts";
import { repairEntries } from "./boot-entries.ts";
import type { Step } from "./effect-result.ts";

/**
 * Somebody repaired the device when what runs is again what the profile names, and is not what
 * failed. The boot loader is written anew first: it may still name what failed.
 */
export const lookAround: Step<"lookAround"> = async (agent, { attempt }, signal) => {
  const { ports, notebook } = agent;
  // The attempt has ended: nobody has to be made to go back any more.
  await ports.deadMan.drop(signal);
  const running = await ports.links.running();
  const profile = await ports.links.profile();
  if (running === "" || running !== profile.storePath || running === attempt.storePath)
    return "rest";
  const entries = entriesFor(running, notebook.journal.machine.firstBoot);
  return (await repairEntries(agent, attempt.id, entries, signal)) ? { on: "repaired" } : "rest";
};
