import { Command } from "@commander-js/extra-typings";

import { withServerOptions } from "../common-options.ts";
import type { Host } from "../host.ts";

const EXAMPLE = `
Examples:
  nix-ota inspect ./release.json
  nix-ota inspect ./release.envelope
  nix-ota inspect --server https://ota.example.com --channel prod --revision 42`;

/** `nix-ota inspect`. */
export function inspectCommand(host: Host) {
  const command = new Command("inspect")
    .description("print what an envelope says, without asking who signed it")
    .argument(
      "[file]",
      "file that holds the envelope, or that nix-ota prepare wrote (default: ask the server)",
    )
    .optionsGroup("What:")
    .option("--channel <name>", "channel to ask the server for")
    .option("--revision <number>", "revision to ask the server for (default: the head)")
    .option("--target <name>", "target to ask the server for (default: none)")
    .option("--save <file>", "write the envelope to a file as well; never overwrites");
  return withServerOptions(command)
    .addHelpText("after", EXAMPLE)
    .action(async (file, options) => {
      const { runInspect } = await import("../envelope/run.ts");
      await runInspect(file, options, host);
    });
}
