import { Command } from "@commander-js/extra-typings";

import { withServerOptions } from "../common-options.ts";
import { FILTER_HELP } from "../device/filter-help.ts";
import type { Host } from "../host.ts";
import {
  forgetCommand,
  judgeCommand,
  pinCommand,
  rekeyCommand,
  retryCommand,
  tagCommand,
  unpinCommand,
} from "./device-changes.ts";

/** `nix-ota device …`. */
export function deviceCommand(host: Host) {
  return new Command("device")
    .description("devices and where they stand")
    .addCommand(listCommand(host))
    .addCommand(showCommand(host))
    .addCommand(whyCommand(host))
    .addCommand(tagCommand(host))
    .addCommand(pinCommand(host))
    .addCommand(unpinCommand(host))
    .addCommand(retryCommand(host))
    .addCommand(judgeCommand("approve", host))
    .addCommand(judgeCommand("reject", host))
    .addCommand(judgeCommand("revoke", host))
    .addCommand(forgetCommand(host))
    .addCommand(rekeyCommand(host));
}

function listCommand(host: Host) {
  const command = new Command("list")
    .description("devices: what they run, what they do, when they were last seen")
    .option("--filter <terms>", "only devices that meet the terms", "")
    .option("--limit <count>", "at most so many", "1000");
  return withServerOptions(command)
    .addHelpText(
      "after",
      `${FILTER_HELP}\n\nExample:\n  nix-ota device list --filter 'channel:prod state:stuck'`,
    )
    .action(async (options) => {
      const [{ openSession }, { listDevices }, { parseCount }] = await Promise.all([
        import("../session.ts"),
        import("../device/list.ts"),
        import("../count-argument.ts"),
      ]);
      const limit = parseCount("--limit", options.limit, 1, 1_000_000);
      const { server, output } = await openSession(options, host);
      await listDevices({ filter: options.filter, limit }, server, host, output);
    });
}

function showCommand(host: Host) {
  const command = new Command("show")
    .description("all that is known of a device, and what happened on it last")
    .argument("<device>", "its id");
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota device show fridge-007")
    .action(async (device, options) => {
      const [{ openSession }, { showDevice }, { parseName }] = await Promise.all([
        import("../session.ts"),
        import("../device/show.ts"),
        import("../name-argument.ts"),
      ]);
      const deviceId = parseName("device", device);
      const { server, output } = await openSession(options, host);
      await showDevice(deviceId, server, host, output);
    });
}

function whyCommand(host: Host) {
  const command = new Command("why")
    .description("why a device is, or is not, up to date")
    .argument("<device>", "its id");
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota device why fridge-007")
    .action(async (device, options) => {
      const [{ openSession }, { explainDevice }, { parseName }] = await Promise.all([
        import("../session.ts"),
        import("../device/why.ts"),
        import("../name-argument.ts"),
      ]);
      const deviceId = parseName("device", device);
      const { server, output } = await openSession(options, host);
      await explainDevice(deviceId, server, host, output);
    });
}
