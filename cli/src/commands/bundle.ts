import { Command } from "@commander-js/extra-typings";

import { collect, withServerOptions } from "../common-options.ts";
import type { Host } from "../host.ts";

const EXAMPLE = `
Examples:
  nix-ota bundle --server https://ota.example.com --channel prod \\
    --from https://cache.example.com --out /media/stick/prod-r42
  nix-ota bundle ./release.envelope --from https://cache.example.com --out ./prod-r42

On the device: nix-ota-agent apply --bundle /media/stick/prod-r42
A bundle is a folder and holds nothing secret. A device believes it no more than it
believes a server or a cache: manifest and paths have to be signed.`;

/** `nix-ota bundle`. */
export function bundleCommand(host: Host) {
  const command = new Command("bundle")
    .description("put a release and its whole closure into a folder, for devices without a network")
    .argument("[file]", "file that holds the envelope (default: ask the server)")
    .requiredOption("--out <folder>", "folder to make; never overwrites")
    .optionsGroup("What:")
    .option("--channel <name>", "channel to ask the server for")
    .option("--revision <number>", "revision to ask the server for (default: the head)")
    .option("--target <name>", "target to ask the server for (default: none)")
    .optionsGroup("Where its closure comes from:")
    .option("--from <url>", "cache that has all of it, signed (default: the local store)")
    .option(
      "--cache-key <file>",
      "sign its paths with this key of a cache, too: what was built here is signed by nobody",
    )
    .optionsGroup("Trust:")
    .option(
      "--public-key <key>",
      "key that has to have signed the manifest, or a file with it; with --cache-key (repeatable)",
      collect,
      [] as string[],
    )
    .option("--threshold <count>", "distinct keys that have to have signed it", "1");
  return withServerOptions(command)
    .addHelpText("after", EXAMPLE)
    .action(async (file, options) => {
      const { runBundle } = await import("../bundle/run.ts");
      await runBundle(file, options, host);
    });
}
