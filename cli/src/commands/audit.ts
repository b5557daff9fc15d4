import { Command } from "@commander-js/extra-typings";

import { withServerOptions } from "../common-options.ts";
import type { Host } from "../host.ts";

/** `nix-ota audit …`. */
export function auditCommand(host: Host) {
  return new Command("audit").description("what operators changed").addCommand(listCommand(host));
}

function listCommand(host: Host) {
  const command = new Command("list")
    .description("what operators changed, the latest first")
    .option("--actor <name>", "only of this token", "")
    .option("--subject <text>", "only what was done to a subject that begins so", "")
    .option("--since <time>", "only after it: 12h, 7d or 2026-12-31")
    .option("--limit <count>", "at most so many", "50");
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota audit list --actor ci --since 7d")
    .action(async (options) => {
      const { listAudit } = await import("../access/audit.ts");
      await listAudit(options, host);
    });
}
