import { Command } from "@commander-js/extra-typings";

import { collect, withServerOptions } from "../common-options.ts";
import type { Host } from "../host.ts";

/** `nix-ota token …`. */
export function tokenCommand(host: Host) {
  return new Command("token")
    .description("operator tokens: who may do what")
    .addCommand(createCommand(host))
    .addCommand(listCommand(host))
    .addCommand(revokeCommand(host))
    .addCommand(confirmCommand(host));
}

const CREATE_EXAMPLES = `
Scopes: read, admin, publish:<channel>, operate:<channel>; with * for any channel.

Examples:
  nix-ota token create ci --scope publish:prod --expires 90d --out ./ci.token
  nix-ota token create night-shift --scope read --scope 'operate:*' > ./token`;

function createCommand(host: Host) {
  const command = new Command("create")
    .description("make a token; its secret is shown this once")
    .argument("<name>", "for people, e.g. who or what uses it")
    .option("--scope <scope>", "what it may; several times", collect, [] as string[])
    .option("--expires <time>", "when it ends: 90d, 12h or 2026-12-31 (default: never)")
    .option("--out <file>", "file for the secret, readable by its owner only; never overwritten");
  return withServerOptions(command)
    .addHelpText("after", CREATE_EXAMPLES)
    .action(async (name, options) => {
      const { createToken } = await import("../access/token.ts");
      await createToken(name, options, host);
    });
}

function listCommand(host: Host) {
  const command = new Command("list")
    .description("tokens without their secrets: scopes, end, last use")
    .option("--limit <count>", "at most so many", "1000");
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota token list")
    .action(async (options) => {
      const { listTokens } = await import("../access/token.ts");
      await listTokens(options, host);
    });
}

function revokeCommand(host: Host) {
  const command = new Command("revoke")
    .description("end a token and the console sessions opened with it")
    .argument("<id>", "its id, as token list shows it");
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota token revoke 3f9c2d10")
    .action(async (id, options) => {
      const { revokeToken } = await import("../access/token.ts");
      await revokeToken(id, options, host);
    });
}

function confirmCommand(host: Host) {
  const command = new Command("confirm")
    .description("let a token work again that waits since a backup was restored")
    .argument("<id>", "its id, as token list shows it");
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota token confirm 3f9c2d10")
    .action(async (id, options) => {
      const { confirmToken } = await import("../access/token.ts");
      await confirmToken(id, options, host);
    });
}
