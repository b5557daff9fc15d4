import { Command } from "@commander-js/extra-typings";

import { withServerOptions } from "../common-options.ts";
import type { Host } from "../host.ts";
import { withWaitOptions } from "./wait-options.ts";

/** `nix-ota rollout …`. */
export function rolloutCommand(host: Host) {
  return new Command("rollout")
    .description("where the devices stand with a release, and holding it back")
    .addCommand(statusCommand(host))
    .addCommand(waitCommand(host))
    .addCommand(pauseCommand(host))
    .addCommand(resumeCommand(host))
    .addCommand(retryCommand(host));
}

function ofRelease(name: string) {
  return new Command(name)
    .option("--channel <name>", "channel (default: the context's)")
    .option("--revision <number>", "release of the channel (default: the head)");
}

function statusCommand(host: Host) {
  const command = ofRelease("status").description(
    "where the rollout of a release stands, and how devices fare",
  );
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota rollout status --channel prod")
    .action(async (options) => {
      const { rolloutStatus } = await import("../rollout/run.ts");
      await rolloutStatus(options, host);
    });
}

const WAIT_EXAMPLE = `
Examples:
  nix-ota rollout wait --channel prod --timeout 30m
  nix-ota rollout wait --channel prod --revision 42 --failures 2% --offline ignore

Exit codes: 0 every device is healthy on it, 4 it failed or was halted, 5 devices are
outstanding when the time is over. Ctrl-C ends the waiting and leaves the release alone.
With --json each line is a document: progress, state, failure, and last end.`;

function waitCommand(host: Host) {
  const command = withWaitOptions(
    ofRelease("wait").description("wait until every device of a release has proven it"),
  );
  return withServerOptions(command)
    .addHelpText("after", WAIT_EXAMPLE)
    .action(async (options) => {
      const { runWait } = await import("../wait/run.ts");
      await runWait(options, host);
    });
}

function pauseCommand(host: Host) {
  const command = ofRelease("pause").description("offer a release to nobody until it is resumed");
  return withServerOptions(command)
    .addHelpText(
      "after",
      "\nDevices that are at work on it go on. nix-ota channel pause holds the whole channel.\n\nExample:\n  nix-ota rollout pause --channel prod",
    )
    .action(async (options) => {
      const { pauseRollout } = await import("../rollout/run.ts");
      await pauseRollout(options, host);
    });
}

function resumeCommand(host: Host) {
  const command = ofRelease("resume").description(
    "offer a release again; failures known so far do not stop it any more",
  );
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota rollout resume --channel prod")
    .action(async (options) => {
      const { resumeRollout } = await import("../rollout/run.ts");
      await resumeRollout(options, host);
    });
}

function retryCommand(host: Host) {
  const command = ofRelease("retry").description(
    "ask the devices on which a release failed to try it once more",
  );
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota rollout retry --channel prod --revision 42")
    .action(async (options) => {
      const { retryRollout } = await import("../rollout/run.ts");
      await retryRollout(options, host);
    });
}
