import { Command } from "@commander-js/extra-typings";

import { collect, withServerOptions } from "../common-options.ts";
import { FILTER_HELP } from "../device/filter-help.ts";
import type { Host } from "../host.ts";

const SEVERAL = `
Several devices are shown first, and asked about; without a terminal give --yes.`;

function ofDevices(name: string) {
  return new Command(name)
    .argument("[device...]", "their ids")
    .option("--filter <terms>", "devices that meet the terms, instead of ids")
    .option("--dry-run", "show which devices would be changed; change nothing", false)
    .option("--yes", "do not ask", false);
}

function help(...examples: string[]): string {
  const lines = examples.map((example) => `  nix-ota device ${example}`);
  return [SEVERAL, FILTER_HELP, "", examples.length > 1 ? "Examples:" : "Example:", ...lines].join(
    "\n",
  );
}

/** `nix-ota device tag`. */
export function tagCommand(host: Host) {
  const command = ofDevices("tag")
    .description("put tags on devices, or take them away")
    .option("--add <tag>", "tag to add; several times", collect, [] as string[])
    .option("--remove <tag>", "tag to take away; several times", collect, [] as string[]);
  return withServerOptions(command)
    .addHelpText("after", help("tag fridge-007 --add kitchen --remove lab"))
    .action(async (ids, options) => {
      const { tagDevices } = await import("../device/changes.ts");
      await tagDevices(ids, options, host);
    });
}

/** `nix-ota device pin`. */
export function pinCommand(host: Host) {
  const command = ofDevices("pin")
    .description("keep devices on a release, whatever the channel offers")
    .option("--revision <number>", "the release (default, for one device: what it runs)");
  return withServerOptions(command)
    .addHelpText("after", help("pin fridge-007", "pin --filter tag:shop --revision 42"))
    .action(async (ids, options) => {
      const { pinDevices } = await import("../device/changes.ts");
      await pinDevices(ids, options, host);
    });
}

/** `nix-ota device unpin`. */
export function unpinCommand(host: Host) {
  const command = ofDevices("unpin").description("let devices follow their channel again");
  return withServerOptions(command)
    .addHelpText("after", help("unpin fridge-007"))
    .action(async (ids, options) => {
      const { unpinDevices } = await import("../device/changes.ts");
      await unpinDevices(ids, options, host);
    });
}

/** `nix-ota device retry`. */
export function retryCommand(host: Host) {
  const command = ofDevices("retry")
    .description("ask devices to try a release once more that failed on them")
    .option("--revision <number>", "the release (default, for one device: what it tried last)");
  return withServerOptions(command)
    .addHelpText(
      "after",
      help("retry fridge-007", "retry --filter 'outcome:rolled_back channel:prod' --revision 42"),
    )
    .action(async (ids, options) => {
      const { retryDevices } = await import("../device/changes.ts");
      await retryDevices(ids, options, host);
    });
}

const JUDGEMENTS = {
  approve: "accept devices that wait, or were rejected or revoked",
  reject: "turn away devices that wait for approval",
  revoke: "end the access of devices: no reports, no offers",
} as const;

/** `nix-ota device approve`, `reject` and `revoke`. */
export function judgeCommand(verb: keyof typeof JUDGEMENTS, host: Host) {
  const command = ofDevices(verb).description(JUDGEMENTS[verb]);
  const filter = verb === "revoke" ? "'channel:lab unseen:90d'" : "'standing:pending channel:prod'";
  return withServerOptions(command)
    .addHelpText("after", help(`${verb} fridge-007`, `${verb} --filter ${filter} --dry-run`))
    .action(async (ids, options) => {
      const { judgeDevices } = await import("../device/changes.ts");
      await judgeDevices(verb, ids, options, host);
    });
}

/** `nix-ota device forget`. */
export function forgetCommand(host: Host) {
  const command = ofDevices("forget").description(
    "delete what is known of devices; they may enrol again",
  );
  return withServerOptions(command)
    .addHelpText("after", help("forget fridge-007"))
    .action(async (ids, options) => {
      const { forgetDevices } = await import("../device/changes.ts");
      await forgetDevices(ids, options, host);
    });
}

/** `nix-ota device rekey`. */
export function rekeyCommand(host: Host) {
  const command = new Command("rekey")
    .description("know a device by another key, after it was installed anew")
    .argument("<device>", "its id")
    .requiredOption("--public-key <key>", "the device's own key, or a file with it")
    .option("--dry-run", "change nothing", false)
    .option("--yes", "do not ask", false);
  return withServerOptions(command)
    .addHelpText(
      "after",
      "\nExample:\n  nix-ota device rekey fridge-007 --public-key 'AAAAC3NzaC1lZDI1NTE5AAAA…='",
    )
    .action(async (id, options) => {
      const { rekeyDevice } = await import("../device/changes.ts");
      await rekeyDevice(id, options, host);
    });
}
