import { Command } from "@commander-js/extra-typings";

import { collect, withCommonOptions } from "../common-options.ts";
import type { Host } from "../host.ts";
import { withSignerOptions } from "./signer-options.ts";

const EXAMPLE = `
Examples:
  nix-ota sign release.json --key ./sign.key
  nix-ota sign release.json --out signed-by-b.json --public-key ./a.pub \\
    --key-command 'pkcs11-sign --slot 9c' --key-command-key ./b.pub

Needs no network. It shows what is signed and what changes, computed from the bytes
themselves, and that the release before is signed by the keys that are named. The
signatures are added to the file; files that several people signed come together in
nix-ota publish --from a.json --from b.json.`;

/** `nix-ota sign`. */
export function signCommand(host: Host) {
  const command = withSignerOptions(
    new Command("sign")
      .description("sign a release that nix-ota prepare wrote to a file")
      .argument("<file>", "the file, or an envelope"),
  )
    .option(
      "--public-key <key>",
      "key of another signer, or a file with it: the release before may be signed by it",
      collect,
      [] as string[],
    )
    .option("--threshold <count>", "distinct keys that have to have signed what was before", "1")
    .optionsGroup("How:")
    .option("--channel <name>", "channel it must be for")
    .option("--revision <number>", "revision it must have, where nothing proves the one before")
    .option("--out <file>", "file to write (default: the same); never overwritten")
    .option("--yes", "do not ask; without a terminal it is needed", false);
  return withCommonOptions(command)
    .addHelpText("after", EXAMPLE)
    .action(async (file, options) => {
      const { runSign } = await import("../release-file/run.ts");
      await runSign(file, options, host);
    });
}
