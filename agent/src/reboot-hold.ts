import type { Agent } from "./agent.ts";
import { mayRebootNow, takeLeave } from "./leave.ts";

/**
 * Why the device does not reboot by itself at this moment, as a sentence for a person; undefined: it
 * may. A reboot into a system whose kernel nobody has seen run is a risk only where the boot loader
 * has nothing to fall back to.
 *
 * @param guarded whether a boot that fails ends on the system from before.
 */
export async function rebootHold(agent: Agent, guarded: boolean): Promise<string | undefined> {
  const { rebootPolicy, allowUnguardedReboot } = agent.config;
  if (rebootPolicy === "never") return "reboot the device when it suits";
  if (!guarded && !allowUnguardedReboot)
    return "the boot loader cannot fall back by itself; reboot the device with somebody near, or set allowUnguardedReboot";
  const hold = rebootPolicy === "window" ? await mayRebootNow(agent) : await takeLeave(agent);
  return hold?.reason;
}
