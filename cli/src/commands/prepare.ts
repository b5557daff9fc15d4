import { Command } from "@commander-js/extra-typings";

import { collect, withServerOptions } from "../common-options.ts";
import type { Host } from "../host.ts";
import { withContentOptions } from "./content-options.ts";

const EXAMPLE = `
Example:
  nix-ota prepare --channel prod --store-path ./result --public-key ./sign.pub \\
    --substituter https://cache.example.com --out release.json
  nix-ota sign release.json --key ./sign.key   # on the machine with the key, which needs no network
  nix-ota publish --from release.json --public-key ./sign.pub

The file is JSON. It holds the bytes to sign, the listings that they pin, and the
signed manifests that devices follow so far, by which the signer sees what changes.`;

/** `nix-ota prepare`. */
export function prepareCommand(host: Host) {
  const command = withContentOptions(
    new Command("prepare").description("write a release to a file, to be signed elsewhere"),
  )
    .requiredOption("--out <file>", "file to write; never overwritten")
    .optionsGroup("Keys:")
    .option(
      "--public-key <key>",
      "key that signed the head, or a file with it; several times",
      collect,
      [] as string[],
    )
    .option("--threshold <count>", "distinct keys that have to sign on this channel", "1")
    .optionsGroup("How:")
    .option("--revision <number>", "revision to sign instead of the one after the head")
    .option("--yes", "do not ask", false);
  return withServerOptions(command)
    .addHelpText("after", EXAMPLE)
    .action(async (options) => {
      const { runPrepare } = await import("../release-file/run.ts");
      await runPrepare(options, host);
    });
}
