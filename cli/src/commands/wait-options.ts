import { Option, type Command, type OptionValues } from "@commander-js/extra-typings";

/** Options by which a command line says how it waits for a rollout. */
export function withWaitOptions<Args extends unknown[], Opts extends OptionValues>(
  command: Command<Args, Opts>,
) {
  return command
    .optionsGroup("Waiting:")
    .option("--timeout <time>", "how long at most: 90s, 30m, 12h", "30m")
    .addOption(
      new Option(
        "--offline <policy>",
        "devices that are away when the waiting begins: ignore them, wait for them, or fail",
      )
        .choices(["ignore", "wait", "fail"] as const)
        .default("wait" as const),
    )
    .option(
      "--offline-after <time>",
      "away is who was not seen for so long; three times the check-in interval of the server",
      "3m",
    )
    .option("--failures <count>", "failures to let pass: a number of devices, or a share: 5%", "0");
}
