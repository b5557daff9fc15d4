import { EnrolmentModeSchema, type Channel } from "@nix-ota/proto/nixota/v1/channel_pb";

import { countOf, relativeTime, revisionText } from "../amounts.ts";
import { parseCount } from "../count-argument.ts";
import { enumText } from "../enum-text.ts";
import type { Host } from "../host.ts";
import { momentMs } from "../moment.ts";
import type { Output } from "../output.ts";
import { readPages } from "../pages.ts";
import { answerOf } from "../server-error.ts";
import { openSession, type SessionOptions } from "../session.ts";
import { renderTable } from "../table.ts";
import { safeText } from "../terminal-text.ts";
import { channelDocument } from "./document.ts";

/** Most that the server gives at once. */
const PAGE_SIZE = 200;

/** Prints the channels by name. */
export async function listChannels(
  options: SessionOptions & { limit: string },
  host: Host,
): Promise<void> {
  const limit = parseCount("--limit", options.limit, 1, 100_000);
  const { server, output } = await openSession(options, host);
  const { items, more } = await readPages(limit, async (cursor) => {
    const request = { cursor, pageSize: Math.min(PAGE_SIZE, limit) };
    const answer = await answerOf(server.channel.listChannels(request), server.url);
    return { items: answer.channels, nextCursor: answer.nextCursor };
  });
  output.result({ channels: items.map(channelDocument), truncated: more }, () =>
    items.length === 0
      ? "no channels; nix-ota channel create or the first publish makes one"
      : channelTable(items, host.now(), output),
  );
  if (more)
    output.note(`only the first ${countOf(items.length, "channel")}; see more with --limit`);
}

function channelTable(channels: readonly Channel[], nowMs: number, output: Output): string {
  return renderTable(
    [
      { title: "CHANNEL" },
      { title: "HEAD", align: "right" },
      { title: "OFFERS" },
      { title: "SIGNED BY" },
      { title: "ENROLMENT" },
      { title: "MADE" },
    ],
    channels.map((channel) => [
      safeText(channel.name),
      revisionText(channel.headRevision),
      channel.paused ? output.paint("yellow", "paused") : "on",
      channel.publicKeys.length === 0
        ? "no key yet"
        : `${channel.threshold} of ${countOf(channel.publicKeys.length, "key")}`,
      enumText(EnrolmentModeSchema, channel.enrolment) || "default",
      relativeTime(momentMs(channel.createdAt), nowMs),
    ]),
    output.tableStyle(),
  );
}
