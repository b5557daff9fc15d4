import { toHex } from "@nix-ota/proto/hash";
import type {
  RecoverChannelResponse,
  ReturnedManifest,
} from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { storePathName } from "@nix-ota/proto/store-path";

import { countOf, relativeTime, revisionText } from "../amounts.ts";
import { terminalAsk, type Ask } from "../ask.ts";
import { CliError } from "../cli-error.ts";
import type { Host } from "../host.ts";
import { momentMs, momentText } from "../moment.ts";
import { parseName } from "../name-argument.ts";
import type { Output } from "../output.ts";
import { answerOf, given } from "../server-error.ts";
import { openSession, type SessionOptions } from "../session.ts";
import { shellWord } from "../shell-word.ts";
import { renderTable } from "../table.ts";
import { safeText } from "../terminal-text.ts";
import { channelDocument } from "./document.ts";

interface RecoverOptions extends SessionOptions {
  dryRun: boolean;
  yes: boolean;
}

/**
 * Raises a channel's head, after a backup was restored, to what devices hold. Shows it first and
 * asks; the channel is paused afterwards, so that a person looks before anything is offered.
 */
export async function recoverChannel(
  channel: string,
  options: RecoverOptions,
  host: Host,
  ask: Ask = terminalAsk(host),
): Promise<void> {
  parseName("channel", channel);
  const { server, output } = await openSession(options, host);
  if (!options.dryRun && !options.yes && !ask.possible)
    throw new CliError("usage", "a recovery is asked about; without a terminal give --yes");
  const preview = await answerOf(
    server.channel.recoverChannel({ channel, dryRun: true }),
    server.url,
  );
  if (options.dryRun) {
    printRecovery(preview, { dryRun: true, url: server.url }, host, output);
    return;
  }
  output.show(manifestTable(preview.manifests, host.now()));
  if (!options.yes && !(await ask.typed(questionText(preview), channel)))
    throw new CliError("declined", "not confirmed; nothing was recovered");
  const answer = await answerOf(server.channel.recoverChannel({ channel }), server.url);
  printRecovery(answer, { dryRun: false, url: server.url }, host, output);
}

function questionText({ manifests }: RecoverChannelResponse): string {
  return `Publish ${countOf(manifests.length, "manifest")} again and pause the channel?`;
}

function printRecovery(
  answer: RecoverChannelResponse,
  { dryRun, url }: { dryRun: boolean; url: string },
  host: Host,
  output: Output,
): void {
  const channel = given(answer.channel, url);
  const document = {
    dryRun,
    channel: channelDocument(channel),
    manifests: answer.manifests.map(manifestDocument),
  };
  const name = safeText(channel.name);
  output.result(document, () =>
    dryRun
      ? manifestTable(answer.manifests, host.now())
      : `${name} is recovered up to ${revisionText(channel.headRevision)} and paused; look at it, then nix-ota channel resume ${shellWord(channel.name)}`,
  );
}

function manifestTable(manifests: readonly ReturnedManifest[], nowMs: number): string {
  return renderTable(
    [
      { title: "RELEASE", align: "right" },
      { title: "TARGET" },
      { title: "RETURNED BY" },
      { title: "WHEN" },
      { title: "SYSTEM" },
    ],
    manifests.map((manifest) => [
      revisionText(manifest.revision),
      safeText(manifest.target) || "–",
      safeText(manifest.deviceId),
      relativeTime(momentMs(manifest.receivedAt), nowMs),
      safeText(storePathName(manifest.storePath) ?? manifest.storePath),
    ]),
  );
}

function manifestDocument(manifest: ReturnedManifest) {
  return {
    revision: Number(manifest.revision),
    target: manifest.target,
    payloadSha256: toHex(manifest.payloadSha256),
    storePath: manifest.storePath,
    deviceId: manifest.deviceId,
    receivedAt: momentText(manifest.receivedAt),
  };
}
