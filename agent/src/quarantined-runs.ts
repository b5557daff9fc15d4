import type { Agent } from "./agent.ts";
import type { Event } from "./events.ts";
import { knowsNoAttempt } from "./lost-journal.ts";
import { returnPlan } from "./return-plan.ts";
import { firstWhole, systemsBefore } from "./systems-before.ts";
import { committedOf } from "./trust.ts";

/**
 * A device that is stuck, or on its way back, and loses its journal: what failed runs on, the trust
 * record has it in quarantine, and nobody remembers that it has to be left. It goes back once more.
 */
export async function quarantinedRuns(
  agent: Agent,
  signal: AbortSignal,
): Promise<Event | undefined> {
  const { notebook, ports, config } = agent;
  const { trust } = notebook;
  const { channel } = config;
  if (!knowsNoAttempt(notebook.journal)) return undefined;
  const running = await ports.links.running();
  const failed = trust.quarantine.findLast(
    (one) => one.channel === channel && one.storePath === running,
  );
  if (failed === undefined || trust.channels[channel]?.committed?.storePath === running)
    return undefined;
  const { revision, payloadSha256, failure } = failed;
  const shutOut = new Set(trust.quarantine.map(({ storePath }) => storePath));
  const systems = (await systemsBefore(agent, running)).filter(
    ({ storePath }) => !shutOut.has(storePath),
  );
  // Where none is whole the return finds that out, and the device is stuck and says so.
  const to = (await firstWhole(agent, systems, signal)) ?? systems[0];
  if (to === undefined) {
    ports.log("error", "what failed runs, and the profile has no generation to go back to", {
      revision,
      storePath: running,
    });
    return undefined;
  }
  await ports.links.root("prev", to.storePath);
  const failedUnits = await ports.health.failedUnits(signal);
  return {
    on: "quarantinedRuns",
    attempt: { id: ports.chance.id(), channel, revision, payloadSha256, storePath: running },
    plan: returnPlan(notebook.now()),
    prev: {
      running: to.storePath,
      booted: await ports.links.booted(),
      profile: to.storePath,
      generation: to.number,
      ...(failedUnits === undefined ? {} : { failedUnits }),
      inContact: false,
      ...committedOf(trust, channel),
    },
    failure: {
      code: failure,
      message: `r${revision} failed on this device before and runs, and the journal that knew the way back is lost, so the device goes back once more; look whether its disk is sound, and publish a higher revision`,
    },
  };
}
