import type { Agent } from "./agent.ts";
import { backoffMs } from "./backoff.ts";

/**
 * Gives the floor's manifest to a server that has only older ones, so that the operator can bring
 * its channel back to where the fleet is. Never moves the machine, and fails without a word but the
 * log's: the next answer that says the same is another occasion.
 */
export async function giveBack(agent: Agent, signal: AbortSignal): Promise<void> {
  const { ports, config, notebook, contact } = agent;
  const floor = notebook.trust.channels[config.channel]?.floor;
  const nowMs = ports.clock.monotonicMs();
  const { tries, againAtMs } = contact.givenBack;
  if (floor === undefined || floor.revision === 0 || nowMs < againAtMs) return;
  const envelope = await ports.manifests.read(floor.payloadSha256);
  if (envelope === undefined) {
    ports.log(
      "warn",
      `the server is behind revision ${floor.revision}, whose manifest is gone here`,
    );
  } else {
    const answer = await ports.server.giveBack(envelope, signal);
    ports.log(
      "info",
      `gave the manifest of revision ${floor.revision} back to a server behind it`,
      {
        ...(answer.got === "answer" ? { kept: answer.value } : { why: answer.message }),
      },
    );
  }
  const { firstMs, maxMs } = config.settings.giveBack;
  const waitMs = firstMs + backoffMs(tries, firstMs, maxMs, ports.chance.fraction());
  contact.givenBack = { tries: tries + 1, againAtMs: nowMs + waitMs };
}
