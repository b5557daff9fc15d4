import type { SecretKey } from "@nix-ota/proto/key-file";

import { terminalAsk, type Ask } from "../ask.ts";
import { CliError } from "../cli-error.ts";
import { connectServer } from "../client.ts";
import { chosenContext, type ChosenContext } from "../context/chosen-context.ts";
import type { Host } from "../host.ts";
import { readLocalClosure } from "../local-closure.ts";
import { openCache } from "../open-cache.ts";
import { createOutput, type Output } from "../output.ts";
import { passphraseFor } from "../passphrase.ts";
import { readPublicKey } from "../public-key-argument.ts";
import { serverAccess, type ServerOptions } from "../server-access.ts";
import { channelOf } from "../session.ts";
import { readSigningKey } from "../signing-key.ts";
import { needsReboot, resolveStorePath, toplevelSystem } from "../toplevel.ts";
import type { Content } from "./content.ts";
import { publish } from "./publish.ts";
import { pinnedClosure, trustedClosure, type ReleaseClosure } from "./release-closure.ts";
import { readWishes, type PublishOptions, type Wishes } from "./wishes.ts";

/** Runs the command: reads everything there is to read, then publishes. */
export async function runPublish(
  given: GivenOptions & ServerOptions & { json: boolean; quiet: boolean },
  host: Host,
): Promise<void> {
  const options = withContext(given, await chosenContext(given, host));
  const output = createOutput(host, options);
  const ask = terminalAsk(host);
  const wishes = readWishes(options, host.now());
  const access = await serverAccess(options, host, output);
  const keys = await readKeys(options, ask);
  const otherKeys = await Promise.all(options.publicKey.map(readPublicKey));
  warnOpenCaches(wishes, output);
  const storePath = await resolveStorePath(options.storePath);
  const { closure, system } = await readClosure(storePath, options, wishes, host, output);
  const content = contentOf(wishes, storePath, system, closure);
  const server = connectServer(access.url, access.token);
  await publish(
    { wishes, content, closure, keys, otherKeys },
    { server, host, output, ask, needsReboot },
  );
}

/** The command line before the context fills it in. */
type GivenOptions = Omit<PublishOptions, "channel"> & { channel?: string | undefined };

/** What the command line leaves out, the context may say. */
function withContext<Options extends GivenOptions>(
  given: Options,
  context: ChosenContext | undefined,
): Options & PublishOptions {
  const listed = (values: readonly string[], otherwise: readonly string[] = []) => [
    ...(values.length > 0 ? values : otherwise),
  ];
  return {
    ...given,
    channel: channelOf(given, context),
    key: listed(given.key, context?.keys),
    substituter: listed(given.substituter, context?.substituters),
  };
}

async function readKeys(options: PublishOptions, ask: Ask): Promise<readonly SecretKey[]> {
  const keys: SecretKey[] = [];
  // One after the other: each may ask for a passphrase.
  for (const file of options.key)
    keys.push(
      await readSigningKey(file, (file) => passphraseFor(file, options.passphraseFile, ask)),
    );
  return keys;
}

async function readClosure(
  storePath: string,
  options: PublishOptions,
  wishes: Wishes,
  host: Host,
  output: Output,
): Promise<{ closure: ReleaseClosure; system: string }> {
  const caches = await Promise.all(wishes.substituters.map(openCache));
  if (options.trustCache) {
    const closure = await trustedClosure(storePath, caches, output, host.signal);
    return { closure, system: wishes.system ?? "" };
  }
  const system = await toplevelSystem(storePath);
  if (wishes.system !== undefined && wishes.system !== system)
    throw new CliError(
      "store",
      `${storePath} is for ${system}, not ${wishes.system} as --system says`,
    );
  const sources = { caches, readClosure: readLocalClosure };
  return { closure: await pinnedClosure(storePath, sources, output, host.signal), system };
}

function contentOf(
  wishes: Wishes,
  storePath: string,
  system: string,
  closure: ReleaseClosure,
): Content {
  return {
    channel: wishes.channel,
    target: wishes.target,
    fleet: wishes.fleet,
    substituters: wishes.substituters,
    notAfterS: wishes.notAfterS,
    message: wishes.message,
    sourceRevision: wishes.sourceRevision,
    storePath,
    system,
    closureBytes: closure.bytes,
    closureDigest: closure.digest,
  };
}

/** Devices refuse these by default, which nobody sees until none of them updates. */
function warnOpenCaches({ substituters }: Wishes, output: Output): void {
  for (const url of substituters) {
    if (url.startsWith("http://"))
      output.warn(`${url} is not encrypted: only devices with allowInsecureCache take it`);
    if (url.startsWith("file://"))
      output.warn(`${url} is a folder: only devices that have and allow it take it`);
  }
}
