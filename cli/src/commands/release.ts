import { Command } from "@commander-js/extra-typings";

import { withServerOptions } from "../common-options.ts";
import type { Host } from "../host.ts";

/** `nix-ota release …`. */
export function releaseCommand(host: Host) {
  return new Command("release")
    .description("releases of a channel")
    .addCommand(listCommand(host))
    .addCommand(showCommand(host))
    .addCommand(diffCommand(host));
}

function listCommand(host: Host) {
  const command = new Command("list")
    .description("the releases of a channel, the latest first, and how devices fared")
    .option("--channel <name>", "channel (default: the context's)")
    .option("--limit <count>", "at most so many", "20");
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota release list --channel prod")
    .action(async (options) => {
      const [{ channelOf, openSession }, { listReleases }, { parseCount }] = await Promise.all([
        import("../session.ts"),
        import("../release/list.ts"),
        import("../count-argument.ts"),
      ]);
      const limit = parseCount("--limit", options.limit, 1, 100_000);
      const { server, output, context } = await openSession(options, host);
      const wishes = { channel: channelOf(options, context), limit };
      await listReleases(wishes, server, host, output);
    });
}

function showCommand(host: Host) {
  const command = new Command("show")
    .description("one release: its systems, who published and signed it, how devices fare")
    .argument("[revision]", "its number (default: the head)")
    .option("--channel <name>", "channel (default: the context's)");
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota release show 42 --channel prod")
    .action(async (revision, options) => {
      const { showRelease } = await import("../release/show.ts");
      await showRelease(revision, options, host);
    });
}

function diffCommand(host: Host) {
  const command = new Command("diff")
    .description("which packages change from one release to another")
    .argument("[before]", "release to compare with (default: the one before)")
    .argument("[after]", "release (default: the head)")
    .option("--channel <name>", "channel (default: the context's)")
    .option("--target <name>", "device configuration (default: devices without one)", "");
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota release diff 41 42 --channel prod")
    .action(async (before, after, options) => {
      const { diffReleases } = await import("../release/diff.ts");
      await diffReleases(before, after, options, host);
    });
}
