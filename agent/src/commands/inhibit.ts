import { inhibit as inhibitFor } from "../inhibition/inhibit-command.ts";
import { inhibitOptions } from "../inhibition/inhibit-options.ts";
import type { Command } from "./command.ts";

/** `inhibit`: holds updates back while a command runs, or for a time. */
export const inhibit: Command = {
  options: {
    why: { type: "string" },
    wait: { type: "string" },
    for: { type: "string" },
    end: { type: "boolean" },
  },
  words: Number.POSITIVE_INFINITY,
  async run({ config, environment, ports, options, words }) {
    const asked = inhibitOptions(options, words);
    // The command's own output is nobody else's.
    const say = (line: string) => void process.stderr.write(`nix-ota-agent: ${line}\n`);
    if (typeof asked !== "string")
      return await inhibitFor({ config, environment, ports, say }, asked);
    say(asked);
    return 2;
  },
};
