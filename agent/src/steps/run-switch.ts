import type { Agent } from "../agent.ts";
import type { Action } from "../effects.ts";
import type { ActivationResult } from "../ports/activation.ts";

/** Exit status of a switch-to-configuration that finds its lock held. */
const LOCK_HELD = 11;

/** Exit status of one that cannot take over without a reboot. */
export const NEEDS_REBOOT = 100;

/** How a run ended, or that another switch holds the lock for too long. */
export type SwitchResult = ActivationResult | { readonly ended: "busy" };

/**
 * Runs switch-to-configuration when no other switch runs. Older ones wait for the lock without end
 * and newer ones give up at once, so it is looked at beforehand and a refusal is tried again.
 */
export async function runSwitch(
  { ports, config }: Agent,
  name: string,
  command: { readonly storePath: string; readonly action: Action },
  signal: AbortSignal,
): Promise<SwitchResult> {
  const { busyTries, busyWaitMs } = config.settings.activation;
  for (let tries = 0; tries < busyTries; tries += 1) {
    const run = `${name}-${tries}`;
    // The lock may be held by this very run, begun before the agent died: that one is adopted.
    if ((await ports.activation.begun(run)) || !(await ports.activation.busy(signal))) {
      const result = await ports.activation.run(run, command, signal);
      if (result.ended !== "exited" || result.code !== LOCK_HELD) return result;
    }
    ports.log("info", "another switch holds the lock", { tries });
    await ports.clock.sleep(busyWaitMs, signal);
  }
  return { ended: "busy" };
}
