import { terminalAsk } from "../ask.ts";
import { connectServer } from "../client.ts";
import { chosenContext } from "../context/chosen-context.ts";
import { parseDeadline } from "../deadline.ts";
import type { Host } from "../host.ts";
import { parseName } from "../name-argument.ts";
import { openCache } from "../open-cache.ts";
import { createOutput } from "../output.ts";
import { readPublicKey } from "../public-key-argument.ts";
import { publish } from "../publish/publish.ts";
import { readReleaseWishes, readText, type HowOptions } from "../publish/wishes.ts";
import { parseRevision } from "../revision-argument.ts";
import { serverAccess, type ServerOptions } from "../server-access.ts";
import { channelOf } from "../session.ts";
import { expectSigners, readSigners, type SignerOptions } from "../signing/read-signers.ts";
import { needsReboot } from "../toplevel.ts";
import { earlierParts, warnQuarantined } from "./rollback.ts";

/** The command line of rollback as it was given. */
export type RollbackOptions = Omit<HowOptions, "channel"> &
  SignerOptions &
  ServerOptions & {
    channel?: string | undefined;
    to: string;
    target: string[];
    message: string;
    notAfter?: string | undefined;
    skipCacheCheck: boolean;
    json: boolean;
    quiet: boolean;
  };

/** Runs the command: reads and proves the earlier release, then publishes it as the next. */
export async function runRollback(given: RollbackOptions, host: Host): Promise<void> {
  const context = await chosenContext(given, host);
  const signs = given.key.length + given.keyCommand.length > 0;
  const options = {
    ...given,
    channel: channelOf(given, context),
    key: signs ? given.key : [...(context?.keys ?? [])],
  };
  const output = createOutput(host, options);
  const ask = terminalAsk(host);
  expectSigners(options);
  const wishes = readReleaseWishes(options, options.key.length + options.keyCommand.length);
  const rollback = {
    channel: wishes.channel,
    to: parseRevision(options.to, "--to"),
    targets: options.target.map((name) => (name === "-" ? "" : parseName("--target", name))),
    message: readText("--message", options.message),
    notAfterS:
      options.notAfter === undefined ? undefined : parseDeadline(options.notAfter, host.now()),
    skipCacheCheck: options.skipCacheCheck,
  };
  const access = await serverAccess(options, host, output);
  const signers = await readSigners(options, ask, host);
  const otherKeys = await Promise.all(options.publicKey.map(readPublicKey));
  const server = connectServer(access.url, access.token);
  const trusted = {
    publicKeys: [...signers, ...otherKeys].map(({ publicKey }) => publicKey),
    threshold: wishes.threshold,
  };
  const means = { server, host, output, ask, needsReboot };
  const openCaches = async (urls: readonly string[]) => Promise.all(urls.map(openCache));
  const parts = await earlierParts(rollback, trusted, openCaches, means);
  const targets = new Set(parts.map(({ content }) => content.target));
  await warnQuarantined(rollback, targets, means);
  await publish({ wishes, parts, signers, otherKeys }, means);
}
