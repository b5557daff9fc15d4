import type { Config } from "./config.ts";
import type { Ports } from "./ports/ports.ts";
import type { Trust } from "./trust.ts";
import type { TimeSources } from "./trusted-time.ts";

/** What the device knows of the time at this moment. */
export async function timeSources({
  ports,
  notebook,
  config,
}: {
  readonly ports: Pick<Ports, "clock">;
  readonly notebook: { readonly trust: Pick<Trust, "signedTimeS"> };
  readonly config: Pick<Config, "settings">;
}): Promise<TimeSources> {
  return {
    signedTimeS: notebook.trust.signedTimeS,
    builtAtS: config.settings.clock.builtAtS,
    wallS: ports.clock.wallS(),
    synchronized: await ports.clock.synchronized(),
  };
}
