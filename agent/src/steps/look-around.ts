import type { Step } from "./effect-result.ts";
import { runSwitch } from "./run-switch.ts";

/**
 * Somebody repaired the device when what runs is again what the profile names, and is not what
 * failed. The boot loader cannot be asked, so it is written anew: it may still name what failed.
 */
export const lookAround: Step<"lookAround"> = async (agent, { attempt }, signal) => {
  const { ports } = agent;
  // The attempt has ended: nobody has to be made to go back any more.
  await ports.deadMan.drop(signal);
  const running = await ports.links.running();
  const profile = await ports.links.profile();
  if (running === "" || running !== profile.storePath || running === attempt.storePath)
    return "rest";
  const name = `${attempt.id}-repair-${ports.chance.id()}`;
  const result = await runSwitch(agent, name, { storePath: running, action: "boot" }, signal);
  return result.ended === "exited" && result.code === 0 ? { on: "repaired" } : "rest";
};
