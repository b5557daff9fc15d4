import { Command } from "@commander-js/extra-typings";

import { withServerOptions } from "../common-options.ts";
import type { Host } from "../host.ts";

/** `nix-ota whoami`. */
export function whoamiCommand(host: Host) {
  const command = new Command("whoami").description(
    "who the token is to the server, and its scopes",
  );
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota whoami --context prod")
    .action(async (options) => {
      const { whoami } = await import("../access/whoami.ts");
      await whoami(options, host);
    });
}
