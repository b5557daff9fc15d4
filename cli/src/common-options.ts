import type { Command, OptionValues } from "@commander-js/extra-typings";

/** Takes an option that can be given several times. */
export function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}

/** Options of every command. */
export function withCommonOptions<Args extends unknown[], Opts extends OptionValues>(
  command: Command<Args, Opts>,
) {
  return command
    .optionsGroup("Common options:")
    .option("--json", "print the result as one JSON document", false)
    .option("--quiet", "print nothing but the result, warnings and errors", false)
    .option("--debug", "show where an error comes from", false);
}

/** Options of the commands that call the server. */
export function withServerOptions<Args extends unknown[], Opts extends OptionValues>(
  command: Command<Args, Opts>,
) {
  return withCommonOptions(
    command
      .optionsGroup("Server:")
      .option("--context <name>", "context to go by (env NIX_OTA_CONTEXT; see nix-ota context)")
      .option("--server <url>", "the server (env NIX_OTA_SERVER)")
      .option("--token-file <file>", "file that holds the token")
      .option(
        "--token <token>",
        "the token itself, which every user of the machine can see; better NIX_OTA_TOKEN",
      ),
  );
}
