import { Command } from "@commander-js/extra-typings";

import { withServerOptions } from "../common-options.ts";
import type { Host } from "../host.ts";

/** `nix-ota release …`. */
export function releaseCommand(host: Host) {
  return new Command("release").description("releases of a channel").addCommand(listCommand(host));
}

function listCommand(host: Host) {
  const command = new Command("list")
    .description("the releases of a channel, the latest first, and how devices fared")
    .requiredOption("--channel <name>", "channel")
    .option("--limit <count>", "at most so many", "20");
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota release list --channel prod")
    .action(async (options) => {
      const [{ openSession }, { listReleases }, { parseCount }, { parseName }] = await Promise.all([
        import("../session.ts"),
        import("../release/list.ts"),
        import("../count-argument.ts"),
        import("../name-argument.ts"),
      ]);
      const wishes = {
        channel: parseName("--channel", options.channel),
        limit: parseCount("--limit", options.limit, 1, 100_000),
      };
      const { server, output } = await openSession(options, host);
      await listReleases(wishes, server, host, output);
    });
}
