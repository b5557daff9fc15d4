import { Command } from "@commander-js/extra-typings";

import { collect, withServerOptions } from "../common-options.ts";
import type { Host } from "../host.ts";

/** `nix-ota doctor`. */
export function doctorCommand(host: Host) {
  const command = new Command("doctor")
    .description("look at server, token, clock, keys, caches and nix; say what is wrong with each")
    .optionsGroup("What:")
    .option("--channel <name>", "channel to compare keys and caches with (default: the context's)")
    .option(
      "--key <file>",
      "private key to look at; several times (default: the context's)",
      collect,
      [] as string[],
    )
    .option(
      "--substituter <url>",
      "binary cache to look at; several times (default: the context's)",
      collect,
      [] as string[],
    );
  return withServerOptions(command)
    .addHelpText(
      "after",
      "\nEnds with 0 only if nothing is wrong.\n\nExample:\n  nix-ota doctor --context prod",
    )
    .action(async (options) => {
      const { runDoctor } = await import("../doctor/run.ts");
      await runDoctor(options, host);
    });
}
