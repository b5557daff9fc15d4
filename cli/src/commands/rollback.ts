import { Command } from "@commander-js/extra-typings";

import { collect, withServerOptions } from "../common-options.ts";
import type { Host } from "../host.ts";
import { withSignerOptions } from "./signer-options.ts";

const EXAMPLE = `
Examples:
  nix-ota rollback --channel prod --to 41 --key ./sign.key
  nix-ota rollback --channel prod --to 41 --target till --message 'receipts are blank'

Devices never take a lower number: what r41 holds is signed again as the release after
the head, for every target that r41 has. It is taken from the server only if the keys
that are named signed it, and shown before it is signed.`;

/** `nix-ota rollback`. */
export function rollbackCommand(host: Host) {
  const command = withSignerOptions(
    new Command("rollback")
      .description("sign what an earlier release holds as the next one")
      .optionsGroup("What:")
      .option("--channel <name>", "channel that devices follow (default: the context's)")
      .requiredOption("--to <revision>", "the earlier release")
      .option(
        "--target <name>",
        "only this target of it (- for devices without one); several times",
        collect,
        [] as string[],
      )
      .option("--message <text>", "one line for people (default: says what is gone back to)", "")
      .option(
        "--not-after <time>",
        "when it expires: 30d, 12h or 2026-12-31T12:00:00Z (default: as long as the earlier one)",
      ),
  )
    .option(
      "--public-key <key>",
      "key of another signer, or a file with it: what was before may be signed by it",
      collect,
      [] as string[],
    )
    .option("--threshold <count>", "distinct keys that have to sign on this channel", "1")
    .optionsGroup("How:")
    .option("--revision <number>", "revision to sign instead of the one after the head")
    .option("--dry-run", "show what would be published; sign nothing", false)
    .option("--yes", "do not ask", false)
    .option(
      "--require-verifiable",
      "stop before signing when devices pin none of the keys that sign",
      false,
    )
    .option(
      "--skip-cache-check",
      "do not ask the caches: devices may have the earlier system still",
      false,
    );
  return withServerOptions(command)
    .addHelpText("after", EXAMPLE)
    .action(async (options) => {
      const { runRollback } = await import("../rollback/run.ts");
      await runRollback(options, host);
    });
}
