import type { Agent } from "./agent.ts";

/** Whether the server answered shortly before: only then does its silence afterwards say anything. */
export function answeredLately({ contact, ports, config }: Agent): boolean {
  if (contact.answeredAtMs === undefined) return false;
  return (
    ports.clock.monotonicMs() - contact.answeredAtMs < config.settings.probation.contactWithinMs
  );
}

/**
 * Remembers, while an attempt waits for a reboot that nobody announces, whether the server answers:
 * what held when it was armed, perhaps weeks before, must not blame a closure for an outage.
 */
export async function noteContact(agent: Agent): Promise<void> {
  const lately = answeredLately(agent);
  // Before the first call of this process nothing is known.
  if (lately || agent.contact.misses > 0) await agent.notebook.setInContact(lately);
}
