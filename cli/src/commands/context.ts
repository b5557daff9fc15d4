import { Command } from "@commander-js/extra-typings";

import { collect, withCommonOptions } from "../common-options.ts";
import type { Host } from "../host.ts";

/** `nix-ota context …`. */
export function contextCommand(host: Host) {
  return new Command("context")
    .description("named servers with what belongs to them, kept in ~/.config/nix-ota/config.toml")
    .addCommand(listCommand(host))
    .addCommand(showCommand(host))
    .addCommand(useCommand(host))
    .addCommand(setCommand(host))
    .addCommand(removeCommand(host));
}

function listCommand(host: Host) {
  const command = new Command("list").description("contexts; the one in use has a star");
  return withCommonOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota context list")
    .action(async (options) => {
      const { listContexts } = await import("../context/run.ts");
      await listContexts(options, host);
    });
}

function showCommand(host: Host) {
  const command = new Command("show")
    .description("what a context says")
    .argument("[context]", "its name (default: the one in use)");
  return withCommonOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota context show prod")
    .action(async (name, options) => {
      const { showContext } = await import("../context/run.ts");
      await showContext(name, options, host);
    });
}

function useCommand(host: Host) {
  const command = new Command("use")
    .description("go by a context whenever none is named")
    .argument("<context>", "its name");
  return withCommonOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota context use prod")
    .action(async (name, options) => {
      const { useContext } = await import("../context/run.ts");
      await useContext(name, options, host);
    });
}

function setCommand(host: Host) {
  const command = new Command("set")
    .description("make a context, or change what is given of it; an empty value takes it away")
    .argument("<context>", "its name")
    .option("--server <url>", "the server")
    .option("--token-file <file>", "file that holds the token; only its path is kept")
    .option("--channel <name>", "channel of commands that name none")
    .option(
      "--substituter <url>",
      "binary cache of publishes that name none; several times",
      collect,
      [] as string[],
    )
    .option(
      "--key <file>",
      "private key of publishes that name none; several times",
      collect,
      [] as string[],
    );
  return withCommonOptions(command)
    .addHelpText(
      "after",
      "\nExample:\n  nix-ota context set prod --server https://ota.example.com \\\n    --token-file ~/.config/nix-ota/prod.token --channel prod",
    )
    .action(async (name, options) => {
      const { setContext } = await import("../context/run.ts");
      await setContext(name, options, host);
    });
}

function removeCommand(host: Host) {
  const command = new Command("remove")
    .description("take a context away; files that it names stay")
    .argument("<context>", "its name");
  return withCommonOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota context remove staging")
    .action(async (name, options) => {
      const { removeContext } = await import("../context/run.ts");
      await removeContext(name, options, host);
    });
}
