import { entriesFor } from "../effects.ts";
import { writeEntries } from "./boot-entries.ts";
import type { Step } from "./effect-result.ts";

/**
 * Somebody repaired the device when what runs is again what the profile names, and is not what
 * failed. The boot loader cannot be asked, so it is written anew: it may still name what failed.
 */
export const lookAround: Step<"lookAround"> = async (agent, { attempt }, signal) => {
  const { ports, notebook } = agent;
  // The attempt has ended: nobody has to be made to go back any more.
  await ports.deadMan.drop(signal);
  const running = await ports.links.running();
  const profile = await ports.links.profile();
  if (running === "" || running !== profile.storePath || running === attempt.storePath)
    return "rest";
  // A loader that cannot be written is tried at each poll: what the last one left must not pile up.
  await ports.activation.forget(undefined);
  const name = `${attempt.id}-repair-${ports.chance.id()}`;
  const entries = entriesFor(running, notebook.journal.machine.firstBoot);
  const failure = await writeEntries(agent, name, entries, signal);
  if (failure === undefined) return { on: "repaired" };
  ports.log("warn", failure.message);
  return "rest";
};
