import { Command } from "@commander-js/extra-typings";

import { withCommonOptions } from "../common-options.ts";
import type { Host } from "../host.ts";

/** `nix-ota keygen`. */
export function keygenCommand(host: Host) {
  const command = new Command("keygen")
    .description("make a signing key pair; print the public key for the devices")
    .requiredOption(
      "--out <file>",
      "file for the private key, readable by its owner only; never overwritten",
    )
    .option("--name <name>", "name of the key (default: the file's, without its ending)")
    .option("--passphrase", "ask for a passphrase to encrypt the private key with", false)
    .option("--passphrase-file <file>", "file whose first line is the passphrase");
  return withCommonOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota keygen --out ./sign.key")
    .action(async (options) => {
      const [{ keygen }, { terminalAsk }, { createOutput }] = await Promise.all([
        import("../keygen.ts"),
        import("../ask.ts"),
        import("../output.ts"),
      ]);
      await keygen(options, terminalAsk(host), createOutput(host, options));
    });
}
