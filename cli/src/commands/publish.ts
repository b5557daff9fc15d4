import { Command } from "@commander-js/extra-typings";

import { collect, withServerOptions } from "../common-options.ts";
import type { Host } from "../host.ts";
import { withContentOptions } from "./content-options.ts";
import { withSignerOptions } from "./signer-options.ts";
import { withWaitOptions } from "./wait-options.ts";

const EXAMPLE = `
Examples:
  nix copy --to s3://my-cache ./result
  nix-ota publish --server https://ota.example.com --token-file ./publish-token \\
    --key ./sign.key --channel prod --store-path ./result \\
    --substituter https://cache.example.com

  nix-ota publish --flake . --host till --host kiosk --channel prod \\
    --key ./sign.key --substituter https://cache.example.com

On a terminal it shows what changes and asks before it signs. Without one it
never asks; the release that is head already is published again by doing nothing.
Of several targets those whose devices have the content already are left out:
devices follow the newest manifest of their target.`;

/** `nix-ota publish`. */
export function publishCommand(host: Host) {
  const command = withSignerOptions(
    withContentOptions(
      new Command("publish").description("sign a system and make it the head of a channel"),
    ).option(
      "--from <file>",
      "publish what nix-ota sign has signed; several times: signatures are put together",
      collect,
      [] as string[],
    ),
  )
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
      "--require-verifiable",
      "stop before signing when devices pin none of the keys that sign",
      false,
    );
  return withServerOptions(
    withWaitOptions(
      command.option(
        "--wait",
        "wait until every device has proven the release; exits 4 when it fails, 5 when the time is over",
        false,
      ),
    ),
  )
    .addHelpText("after", EXAMPLE)
    .action(async (options) => {
      const { runPublish } = await import("../publish/run.ts");
      await runPublish(options, host);
    });
}
