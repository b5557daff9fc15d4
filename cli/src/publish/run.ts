import { terminalAsk } from "../ask.ts";
import { connectServer } from "../client.ts";
import { chosenContext, type ChosenContext } from "../context/chosen-context.ts";
import type { Host } from "../host.ts";
import { createOutput, type Output } from "../output.ts";
import { readPublicKey } from "../public-key-argument.ts";
import { serverAccess, type ServerOptions } from "../server-access.ts";
import { channelOf } from "../session.ts";
import { expectSigners, readSigners, type SignerOptions } from "../signing/read-signers.ts";
import { expectWanted, readWanted, type WantedOptions } from "../targets/read-wanted.ts";
import { needsReboot } from "../toplevel.ts";
import { publish } from "./publish.ts";
import { readParts } from "./read-parts.ts";
import {
  readContentWishes,
  readReleaseWishes,
  type ContentOptions,
  type HowOptions,
} from "./wishes.ts";

/** The command line of publish as it was given, before the context fills it in. */
export type PublishOptions = Omit<ContentOptions & HowOptions, "channel"> &
  SignerOptions &
  WantedOptions &
  ServerOptions & { channel?: string | undefined; json: boolean; quiet: boolean };

/** Runs the command: reads everything there is to read, then publishes. */
export async function runPublish(given: PublishOptions, host: Host): Promise<void> {
  const options = withContext(given, await chosenContext(given, host));
  const output = createOutput(host, options);
  const ask = terminalAsk(host);
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
  await publish({ wishes, parts, signers, otherKeys }, { server, host, output, ask, needsReboot });
}

/** What the command line leaves out, the context may say. */
function withContext(given: PublishOptions, context: ChosenContext | undefined) {
  const listed = (values: readonly string[], otherwise: readonly string[] = []) => [
    ...(values.length > 0 ? values : otherwise),
  ];
  const signs = given.key.length + given.keyCommand.length > 0;
  return {
    ...given,
    channel: channelOf(given, context),
    key: signs ? given.key : listed([], context?.keys),
    substituter: listed(given.substituter, context?.substituters),
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
