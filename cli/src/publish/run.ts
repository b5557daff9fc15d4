import { terminalAsk } from "../ask.ts";
import { CliError } from "../cli-error.ts";
import { connectServer } from "../client.ts";
import { chosenContext, type ChosenContext } from "../context/chosen-context.ts";
import { parseCount } from "../count-argument.ts";
import type { Host } from "../host.ts";
import { createOutput, type Output } from "../output.ts";
import { readPublicKey } from "../public-key-argument.ts";
import { serverAccess, type ServerOptions } from "../server-access.ts";
import { channelOf } from "../session.ts";
import { expectSigners, readSigners, type SignerOptions } from "../signing/read-signers.ts";
import { expectWanted, readWanted, type WantedOptions } from "../targets/read-wanted.ts";
import { needsReboot } from "../toplevel.ts";
import { readWaitOptions, type WaitOptions } from "../wait/options.ts";
import { waitForRelease } from "../wait/wait.ts";
import { publish } from "./publish.ts";
import { readParts } from "./read-parts.ts";
import {
  readContentWishes,
  readReleaseWishes,
  type ContentOptions,
  type HowOptions,
} from "./wishes.ts";

/** What a command line says of a release, before the context fills it in. */
export type GivenPublishOptions = Omit<ContentOptions & HowOptions, "channel"> &
  WantedOptions &
  ServerOptions & { channel?: string | undefined; json: boolean; quiet: boolean };

/** The command line of publish as it was given. */
export type PublishOptions = GivenPublishOptions &
  SignerOptions &
  WaitOptions & { from: string[]; wait: boolean };

/** Runs the command: reads everything there is to read, then publishes. */
export async function runPublish(given: PublishOptions, host: Host): Promise<void> {
  if (given.from.length > 0) return runPublishFile(given, host);
  const context = await chosenContext(given, host);
  const signs = given.key.length + given.keyCommand.length > 0;
  const options = {
    ...withContext(given, context),
    key: signs ? given.key : [...(context?.keys ?? [])],
  };
  const output = createOutput(host, { ...options, lines: options.wait });
  const ask = terminalAsk(host);
  const waitRule = readWaitOptions(options);
  expectWanted(options);
  expectSigners(options);
  const content = readContentWishes(options, host.now());
  const wishes = readReleaseWishes(options, options.key.length + options.keyCommand.length);
  const access = await serverAccess(options, host, output);
  const signers = await readSigners(options, ask, host);
  const otherKeys = await Promise.all(options.publicKey.map(readPublicKey));
  warnOpenCaches(content.substituters, output);
  const wanted = await readWanted(options, output, host.signal);
  const parts = await readParts(wanted, content, output, host.signal);
  const server = connectServer(access.url, access.token);
  const revision = await publish(
    { wishes, parts, signers, otherKeys },
    { server, host, output, ask, needsReboot },
  );
  if (!options.wait || revision === undefined) return;
  const { channel } = wishes;
  await waitForRelease({ ...waitRule, channel, revision }, { server, host, output });
}

/** Publishes files that were signed elsewhere. */
async function runPublishFile(options: PublishOptions, host: Host): Promise<void> {
  const output = createOutput(host, { ...options, lines: options.wait });
  const waitRule = readWaitOptions(options);
  expectFromAlone(options);
  const { publicKey, threshold: text } = options;
  const threshold = parseCount("--threshold", text, 1, Math.max(1, publicKey.length));
  const access = await serverAccess(options, host, output);
  const publicKeys = await Promise.all(publicKey.map(readPublicKey));
  const [{ readMerged }, { publishFile }] = await Promise.all([
    import("../release-file/read.ts"),
    import("../release-file/publish-file.ts"),
  ]);
  const release = await readMerged(options.from);
  const channel = release.manifests[0]?.manifest.channel;
  if (options.channel !== undefined && options.channel !== channel)
    throw new CliError(
      "rejected",
      `the file is for channel ${channel}, not ${options.channel} as --channel says`,
    );
  const server = connectServer(access.url, access.token);
  const { dryRun = false, yes = false } = options;
  const means = { server, host, output, ask: terminalAsk(host), needsReboot };
  const published = await publishFile(release, publicKeys, { threshold, dryRun, yes }, means);
  if (!options.wait || published === undefined) return;
  await waitForRelease({ ...waitRule, ...published }, { server, host, output });
}

/** What is signed cannot be changed, so that flags about it would do nothing. */
function expectFromAlone(options: PublishOptions): void {
  const { storePath, targets, flake, deployJson, revision, notAfter, requireVerifiable } = options;
  const idle = {
    "--store-path": storePath,
    "--targets": targets,
    "--flake": flake,
    "--deploy-json": deployJson,
    "--revision": revision,
    "--not-after": notAfter,
    "--target": options.target,
    "--fleet": options.fleet,
    "--message": options.message,
    "--source-revision": options.sourceRevision,
    "--substituter": options.substituter[0],
    "--next-channel": options.nextChannel,
    "--allow-agent-removal": options.allowAgentRemoval ? "yes" : "",
    "--allow-key-change": options.allowKeyChange ? "yes" : "",
    "--key": options.key[0],
    "--key-command": options.keyCommand[0],
    "--require-verifiable": requireVerifiable ? "yes" : "",
  };
  const [flag] = Object.entries(idle).flatMap(([flag, value]) => (value ? [flag] : []));
  if (flag !== undefined)
    throw new CliError(
      "usage",
      `${flag} does nothing with --from, whose files are signed as they are; leave it out`,
    );
}

/** What the command line leaves out, the context may say. */
export function withContext<Options extends GivenPublishOptions>(
  given: Options,
  context: ChosenContext | undefined,
): Options & { channel: string } {
  const { substituter } = given;
  return {
    ...given,
    channel: channelOf(given, context),
    substituter: substituter.length > 0 ? substituter : [...(context?.substituters ?? [])],
  };
}

/** Devices refuse these by default, which nobody sees until none of them updates. */
export function warnOpenCaches(substituters: readonly string[], output: Output): void {
  for (const url of substituters) {
    if (url.startsWith("http://"))
      output.warn(`${url} is not encrypted: only devices with allowInsecureCache take it`);
    if (url.startsWith("file://"))
      output.warn(`${url} is a folder: only devices that have and allow it take it`);
  }
}
