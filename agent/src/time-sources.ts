import type { Agent } from "./agent.ts";
import type { TimeSources } from "./trusted-time.ts";

/** What the device knows of the time at this moment. */
export async function timeSources({ ports, notebook, config }: Agent): Promise<TimeSources> {
  return {
    signedTimeS: notebook.trust.signedTimeS,
    builtAtS: config.settings.clock.builtAtS,
    wallS: ports.clock.wallS(),
    synchronized: await ports.clock.synchronized(),
  };
}
