import { Command } from "@commander-js/extra-typings";

import { collect, withServerOptions } from "../common-options.ts";
import type { Host } from "../host.ts";

const EXAMPLE = `
Examples:
  nix-ota verify ./release.envelope --public-key 'sign:MTIz…='
  nix-ota verify --server https://ota.example.com --channel prod --revision 42 --public-key ./sign.pub`;

/** `nix-ota verify`. */
export function verifyCommand(host: Host) {
  const command = new Command("verify")
    .description("put an envelope before the gate that devices have; print each check")
    .argument(
      "[file]",
      "file that holds the envelope, or that nix-ota sign wrote (default: ask the server)",
    )
    .optionsGroup("What:")
    .option("--channel <name>", "channel it must be for")
    .option("--revision <number>", "revision to ask the server for (default: the head)")
    .option("--target <name>", "target it must be for (default: none, when the server is asked)")
    .optionsGroup("What a device would demand:")
    .requiredOption(
      "--public-key <key>",
      "key that devices pin, or a file with it; several times",
      collect,
      [] as string[],
    )
    .option("--threshold <count>", "distinct keys that have to have signed", "1")
    .option("--fleet <name>", "fleet it must be for")
    .option("--system <system>", "system it must be for, e.g. x86_64-linux");
  return withServerOptions(command)
    .addHelpText("after", EXAMPLE)
    .action(async (file, options) => {
      const { runVerify } = await import("../envelope/run.ts");
      await runVerify(file, options, host);
    });
}
