import type { Command, OptionValues } from "@commander-js/extra-typings";

import { collect } from "../common-options.ts";

/** Options by which a command line says what devices are to run. */
export function withContentOptions<Args extends unknown[], Opts extends OptionValues>(
  command: Command<Args, Opts>,
) {
  return command
    .optionsGroup("What:")
    .option("--channel <name>", "channel that devices follow (default: the context's)")
    .option("--store-path <path>", "the NixOS system: a store path, or a link to one")
    .option("--target <name>", "device configuration it is for (default: devices without one)", "")
    .option(
      "--targets <file>",
      "systems of several targets, one a line: the target (- for none), blanks, the path",
    )
    .option("--flake <ref>", "build every nixosConfiguration; each is the target of its name")
    .option(
      "--host <name>",
      "only this nixosConfiguration of the flake; several times",
      collect,
      [] as string[],
    )
    .option("--deploy-json <file>", "a Cachix Deploy specification: each agent is a target")
    .option(
      "--substituter <url>",
      "binary cache that devices fetch from; several times: in the order to ask them (default: the context's)",
      collect,
      [] as string[],
    )
    .option("--fleet <name>", "fleet it is bound to", "")
    .option("--message <text>", "one line for people", "")
    .option("--source-revision <id>", "revision of the sources, e.g. a commit", "")
    .option(
      "--not-after <time>",
      "when it expires: 30d, 12h or 2026-12-31T12:00:00Z (default: never)",
    )
    .option("--next-channel <name>", "channel that devices may move to with this system", "")
    .option("--allow-agent-removal", "let devices take a system without agent", false)
    .option(
      "--allow-key-change",
      "let devices take a system that trusts none of the keys that they trust",
      false,
    )
    .option(
      "--trust-cache",
      "read the closure from the caches alone; contents are not pinned",
      false,
    )
    .option(
      "--system <system>",
      "system of the closure, with --trust-cache (default: read from it)",
    );
}
