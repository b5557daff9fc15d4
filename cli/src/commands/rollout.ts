import { Command } from "@commander-js/extra-typings";

import { CliError } from "../cli-error.ts";
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
    .argument("[channel]", "its channel (default: the context's)")
    .option("--channel <name>", "the same as an option")
    .option("--revision <number>", "release of the channel (default: the head)");
}

/** The options with the channel, however it was given. */
function ofChannel<Options extends { channel?: string | undefined }>(
  channel: string | undefined,
  options: Options,
): Options {
  if (channel === undefined) return options;
  if (options.channel !== undefined && options.channel !== channel)
    throw new CliError("usage", `${channel} and --channel ${options.channel} differ; give one`);
  return { ...options, channel };
}

function statusCommand(host: Host) {
  const command = ofRelease("status").description(
    "where the rollout of a release stands, and how devices fare",
  );
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota rollout status prod")
    .action(async (channel, options) => {
      const { rolloutStatus } = await import("../rollout/run.ts");
      await rolloutStatus(ofChannel(channel, options), host);
    });
}

const WAIT_EXAMPLE = `
Examples:
  nix-ota rollout wait prod --timeout 30m
  nix-ota rollout wait prod --revision 42 --failures 2% --offline ignore

Exit codes: 0 every device is healthy on it, 4 it failed or was halted, 5 devices are
outstanding when the time is over. Ctrl-C ends the waiting and leaves the release alone.
With --json each line is a document: progress, state, failure, and last end.`;

function waitCommand(host: Host) {
  const command = withWaitOptions(
    ofRelease("wait").description("wait until every device of a release has proven it"),
  );
  return withServerOptions(command)
    .addHelpText("after", WAIT_EXAMPLE)
    .action(async (channel, options) => {
      const { runWait } = await import("../wait/run.ts");
      await runWait(ofChannel(channel, options), host);
    });
}

function pauseCommand(host: Host) {
  const command = ofRelease("pause").description("offer a release to nobody until it is resumed");
  return withServerOptions(command)
    .addHelpText(
      "after",
      "\nDevices that are at work on it go on. nix-ota channel pause holds the whole channel.\n\nExample:\n  nix-ota rollout pause prod",
    )
    .action(async (channel, options) => {
      const { pauseRollout } = await import("../rollout/run.ts");
      await pauseRollout(ofChannel(channel, options), host);
    });
}

function resumeCommand(host: Host) {
  const command = ofRelease("resume").description(
    "offer a release again; failures known so far do not stop it any more",
  );
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota rollout resume prod")
    .action(async (channel, options) => {
      const { resumeRollout } = await import("../rollout/run.ts");
      await resumeRollout(ofChannel(channel, options), host);
    });
}

function retryCommand(host: Host) {
  const command = ofRelease("retry").description(
    "ask the devices on which a release failed to try it once more",
  );
  return withServerOptions(command)
    .addHelpText("after", "\nExample:\n  nix-ota rollout retry prod --revision 42")
    .action(async (channel, options) => {
      const { retryRollout } = await import("../rollout/run.ts");
      await retryRollout(ofChannel(channel, options), host);
    });
}
