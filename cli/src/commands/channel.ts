import { Command, Option } from "@commander-js/extra-typings";

import { collect, withServerOptions } from "../common-options.ts";
import type { Host } from "../host.ts";

/** `nix-ota channel …`. */
export function channelCommand(host: Host) {
  return new Command("channel")
    .description("channels that devices follow: their keys, and whether they offer")
    .addCommand(listCommand(host))
    .addCommand(showCommand(host))
    .addCommand(createCommand(host))
    .addCommand(setCommand(host))
    .addCommand(pauseCommand(host))
    .addCommand(resumeCommand(host))
    .addCommand(recoverCommand(host));
}

function listCommand(host: Host) {
  const command = new Command("list")
    .description("channels: their heads, keys and whether they offer")
    .option("--limit <count>", "at most so many", "1000");
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota channel list")
    .action(async (options) => {
      const { listChannels } = await import("../channel/list.ts");
      await listChannels(options, host);
    });
}

function showCommand(host: Host) {
  const command = new Command("show")
    .description("all that is known of a channel")
    .argument("[channel]", "its name (default: the context's)");
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota channel show prod")
    .action(async (channel, options) => {
      const { showChannel } = await import("../channel/show.ts");
      await showChannel(channel, options, host);
    });
}

function enrolmentOption() {
  return new Option(
    "--enrolment <mode>",
    "how devices come to it: open, with an enrolment token, or after approval",
  ).choices(["open", "token", "approve"] as const);
}

function createCommand(host: Host) {
  const command = new Command("create")
    .description("make a channel; the first publish makes one as well")
    .argument("<channel>", "its name")
    .option(
      "--public-key <key>",
      "key that signs its releases, or a file with it; several times (default: the first publish's)",
      collect,
      [] as string[],
    )
    .option("--threshold <count>", "distinct keys that have to sign (default: 1)")
    .addOption(enrolmentOption());
  return withServerOptions(command)
    .addHelpText(
      "after",
      "\nExample:\n  nix-ota channel create prod --public-key ./sign.pub --enrolment token",
    )
    .action(async (channel, options) => {
      const { createChannel } = await import("../channel/change.ts");
      await createChannel(channel, options, host);
    });
}

const SET_EXAMPLES = `
Keys that are given take the place of all that the channel has; they are shown
first, and asked about.

Examples:
  nix-ota channel set prod --enrolment approve
  nix-ota channel set prod --public-key ./old.pub --public-key ./new.pub --threshold 2`;

function setCommand(host: Host) {
  const command = new Command("set")
    .description("change a channel's keys or how devices come to it")
    .argument("<channel>", "its name")
    .option(
      "--public-key <key>",
      "key that signs its releases, or a file with it; several times: all of them",
      collect,
      [] as string[],
    )
    .option("--threshold <count>", "distinct keys that have to sign")
    .addOption(enrolmentOption())
    .option("--yes", "do not ask", false);
  return withServerOptions(command)
    .addHelpText("after", SET_EXAMPLES)
    .action(async (channel, options) => {
      const { setChannel } = await import("../channel/change.ts");
      await setChannel(channel, options, host);
    });
}

function pauseCommand(host: Host) {
  const command = new Command("pause")
    .description("offer nothing on a channel until it is resumed")
    .argument("<channel>", "its name");
  return withServerOptions(command)
    .addHelpText(
      "after",
      "\nDevices that are at work on a release go on.\n\nExample:\n  nix-ota channel pause prod",
    )
    .action(async (channel, options) => {
      const { pauseChannel } = await import("../channel/change.ts");
      await pauseChannel(channel, true, options, host);
    });
}

function resumeCommand(host: Host) {
  const command = new Command("resume")
    .description("offer a channel's head again")
    .argument("<channel>", "its name");
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota channel resume prod")
    .action(async (channel, options) => {
      const { pauseChannel } = await import("../channel/change.ts");
      await pauseChannel(channel, false, options, host);
    });
}

const RECOVER_EXAMPLES = `
For a server that was restored from a backup older than what devices have.
Only manifests that devices gave back and that verify under the channel's keys
are published again; the channel is paused until you resume it.

Examples:
  nix-ota channel recover prod --dry-run
  nix-ota channel recover prod`;

function recoverCommand(host: Host) {
  const command = new Command("recover")
    .description("after a restored backup: raise the head to what devices hold")
    .argument("<channel>", "its name")
    .option("--dry-run", "show what would be recovered; change nothing", false)
    .option("--yes", "do not ask", false);
  return withServerOptions(command)
    .addHelpText("after", RECOVER_EXAMPLES)
    .action(async (channel, options) => {
      const { recoverChannel } = await import("../channel/recover.ts");
      await recoverChannel(channel, options, host);
    });
}
