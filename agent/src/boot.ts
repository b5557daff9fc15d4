import type { Config } from "./config.ts";
import { rearm } from "./dead-man-order.ts";
import type { Ports } from "./ports/ports.ts";
import { openAgent, takeUp, workOnce } from "./run-agent.ts";

/**
 * What `nix-ota-boot.service` does while the machine starts: moves the machine by what was booted, and
 * arms the dead-man for an attempt under way, which the reboot has dropped. It asks no server and
 * waits for no unit and no health: those come after it, and the agent sees to them. The caller holds
 * the lock.
 *
 * @throws {AgentError} when the state directory cannot be read or written.
 */
export async function takeUpAtBoot(
  ports: Ports,
  config: Config,
  signal: AbortSignal,
): Promise<void> {
  const agent = await openAgent(ports, config);
  const { notebook } = agent;
  await takeUp(agent);
  // The first boot of what was committed before is noticed while nothing else is under way.
  if (notebook.journal.machine.state.name === "idle") {
    const event = await workOnce(agent, signal);
    if (event !== undefined) await notebook.record(event);
  }
  await rearm(agent, signal);
}
