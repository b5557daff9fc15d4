import type { Command, OptionValues } from "@commander-js/extra-typings";

import { collect } from "../common-options.ts";

/** Options by which a command line names the keys that sign. */
export function withSignerOptions<Args extends unknown[], Opts extends OptionValues>(
  command: Command<Args, Opts>,
) {
  return command
    .optionsGroup("Signing:")
    .option(
      "--key <file>",
      "private key to sign with; several times: all of them sign (default: the context's)",
      collect,
      [] as string[],
    )
    .option("--passphrase-file <file>", "file whose first line is the passphrase of encrypted keys")
    .option(
      "--key-command <command>",
      "program that signs, e.g. for a hardware token: reads the bytes from stdin, answers the signature; words joined by blanks, no shell",
      collect,
      [] as string[],
    )
    .option(
      "--key-command-key <key>",
      "public key of the command, or a file with it; once for each, in the same order",
      collect,
      [] as string[],
    );
}
