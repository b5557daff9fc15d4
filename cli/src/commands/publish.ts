import { Command } from "@commander-js/extra-typings";

import { collect, withServerOptions } from "../common-options.ts";
import type { Host } from "../host.ts";

const EXAMPLE = `
Example:
  nix copy --to s3://my-cache ./result
  nix-ota publish --server https://ota.example.com --token-file ./publish-token \\
    --key ./sign.key --channel prod --store-path ./result \\
    --substituter https://cache.example.com

On a terminal it shows what changes and asks before it signs. Without one it
never asks; the release that is head already is published again by doing nothing.`;

/** `nix-ota publish`. */
export function publishCommand(host: Host) {
  const command = new Command("publish")
    .description("sign a system and make it the head of a channel")
    .optionsGroup("What:")
    .option("--channel <name>", "channel that devices follow (default: the context's)")
    .requiredOption("--store-path <path>", "the NixOS system: a store path, or a link to one")
    .option(
      "--substituter <url>",
      "binary cache that devices fetch from; several times: in the order to ask them (default: the context's)",
      collect,
      [] as string[],
    )
    .option("--target <name>", "device configuration it is for (default: devices without one)", "")
    .option("--fleet <name>", "fleet it is bound to", "")
    .option("--message <text>", "one line for people", "")
    .option("--source-revision <id>", "revision of the sources, e.g. a commit", "")
    .option(
      "--not-after <time>",
      "when it expires: 30d, 12h or 2026-12-31T12:00:00Z (default: never)",
    )
    .optionsGroup("Signing:")
    .option(
      "--key <file>",
      "private key to sign with; several times: all of them sign (default: the context's)",
      collect,
      [] as string[],
    )
    .option("--passphrase-file <file>", "file whose first line is the passphrase of encrypted keys")
    .option(
      "--public-key <key>",
      "key of another signer, or a file with it: the head may be signed by it; pinned on the first publish",
      collect,
      [] as string[],
    )
    .option("--threshold <count>", "distinct keys that have to sign on this channel", "1")
    .optionsGroup("How:")
    .option("--revision <number>", "revision to sign instead of the one after the head")
    .option("--dry-run", "show what would be published; sign nothing", false)
    .option("--yes", "do not ask", false)
    .option(
      "--trust-cache",
      "read the closure from the caches alone; contents are not pinned",
      false,
    )
    .option(
      "--system <system>",
      "system of the closure, with --trust-cache (default: read from it)",
    );
  return withServerOptions(command)
    .addHelpText("after", EXAMPLE)
    .action(async (options) => {
      const { runPublish } = await import("../publish/run.ts");
      await runPublish(options, host);
    });
}
