import { Command } from "@commander-js/extra-typings";

import { withServerOptions } from "../common-options.ts";
import type { Host } from "../host.ts";

/** `nix-ota enrol-token …`. */
export function enrolTokenCommand(host: Host) {
  return new Command("enrol-token")
    .description("tokens by which devices come to a channel")
    .addCommand(createCommand(host))
    .addCommand(listCommand(host))
    .addCommand(revokeCommand(host))
    .addCommand(confirmCommand(host));
}

function createCommand(host: Host) {
  const command = new Command("create")
    .description("make an enrolment token; its secret is shown this once")
    .option("--channel <name>", "channel that devices come to (default: the context's)")
    .option("--uses <count>", "how many devices may use it, 1 to 100000", "1")
    .option("--expires <time>", "when it ends: 7d, 12h or 2026-12-31 (default: in a day)")
    .option("--out <file>", "file for the secret, readable by its owner only; never overwritten");
  return withServerOptions(command)
    .addHelpText(
      "after",
      "\nExample:\n  nix-ota enrol-token create --channel prod --uses 50 --expires 7d --out ./enrol.token",
    )
    .action(async (options) => {
      const { createEnrolmentToken } = await import("../access/enrolment-token.ts");
      await createEnrolmentToken(options, host);
    });
}

function listCommand(host: Host) {
  const command = new Command("list")
    .description("enrolment tokens without their secrets: channel, uses, end")
    .option("--limit <count>", "at most so many", "1000");
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota enrol-token list")
    .action(async (options) => {
      const { listEnrolmentTokens } = await import("../access/enrolment-token.ts");
      await listEnrolmentTokens(options, host);
    });
}

function revokeCommand(host: Host) {
  const command = new Command("revoke")
    .description("end an enrolment token; devices that came by it stay")
    .argument("<id>", "its id, as enrol-token list shows it");
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota enrol-token revoke 3f9c2d10")
    .action(async (id, options) => {
      const { revokeEnrolmentToken } = await import("../access/enrolment-token.ts");
      await revokeEnrolmentToken(id, options, host);
    });
}

function confirmCommand(host: Host) {
  const command = new Command("confirm")
    .description("let an enrolment token work again that waits since a backup was restored")
    .argument("<id>", "its id, as enrol-token list shows it");
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota enrol-token confirm 3f9c2d10")
    .action(async (id, options) => {
      const { confirmEnrolmentToken } = await import("../access/enrolment-token.ts");
      await confirmEnrolmentToken(id, options, host);
    });
}
