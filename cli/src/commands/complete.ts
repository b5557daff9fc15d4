import { Argument, Command } from "@commander-js/extra-typings";

import { withCommonOptions } from "../common-options.ts";
import { SHELLS } from "../completion/scripts.ts";
import type { Host } from "../host.ts";

const EXAMPLES = `
Commands, options and their values are completed; channels and devices are asked
of the server that the command line, the environment or the context names.

Examples:
  nix-ota complete bash > ~/.local/share/bash-completion/completions/nix-ota
  nix-ota complete zsh > ~/.zfunc/_nix-ota        # with fpath+=~/.zfunc before compinit
  nix-ota complete fish > ~/.config/fish/completions/nix-ota.fish`;

/** `nix-ota complete`. */
export function completeCommand(host: Host) {
  const command = new Command("complete")
    .description("print the script by which a shell completes command lines of nix-ota")
    .addArgument(new Argument("<shell>", "bash, zsh or fish").choices(SHELLS))
    .argument("[words...]", "what the script asks about: the words typed so far, behind --");
  return withCommonOptions(command)
    .addHelpText("after", EXAMPLES)
    .action(async (shell, words, options, self) => {
      if (words.length > 0) {
        const { printCompletions } = await import("../completion/run.ts");
        await printCompletions(shell, words, self.parent ?? self, host);
        return;
      }
      const [{ createOutput }, { SCRIPT }] = await Promise.all([
        import("../output.ts"),
        import("../completion/scripts.ts"),
      ]);
      createOutput(host, options).result({ shell, script: SCRIPT[shell] }, () =>
        SCRIPT[shell].trimEnd(),
      );
    });
}
