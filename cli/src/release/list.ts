import type { Release } from "@nix-ota/proto/nixota/v1/release_pb";
import { storePathHash, storePathName } from "@nix-ota/proto/store-path";

import { byteText, countOf, relativeTime, revisionText } from "../amounts.ts";
import type { Server } from "../client.ts";
import type { Host } from "../host.ts";
import { momentMs } from "../moment.ts";
import type { Output } from "../output.ts";
import { readPages } from "../pages.ts";
import { rolloutStateText } from "../rollout/state.ts";
import { answerOf } from "../server-error.ts";
import { renderTable, type Column } from "../table.ts";
import { safeText, shortenMiddle } from "../terminal-text.ts";
import { releaseDocument } from "./document.ts";

/** Most that the server gives at once. */
const PAGE_SIZE = 200;

/** Of a store path: what still tells builds apart, and a name with room for a version. */
const SHOWN_HASH_LENGTH = 8;
const SHOWN_NAME_LENGTH = 32;
const SHOWN_MESSAGE_LENGTH = 40;

/** Prints the releases of a channel, the highest revision first. */
export async function listReleases(
  wishes: { channel: string; limit: number },
  server: Server,
  host: Host,
  output: Output,
): Promise<void> {
  const pageSize = Math.min(PAGE_SIZE, wishes.limit);
  const { items, more } = await readPages(wishes.limit, async (cursor) => {
    const request = { channel: wishes.channel, cursor, pageSize };
    const answer = await answerOf(server.publish.listReleases(request), server.url);
    return { items: answer.releases, nextCursor: answer.nextCursor };
  });
  output.result({ releases: items.map(releaseDocument), truncated: more }, () =>
    items.length === 0
      ? `no releases on ${wishes.channel}; nix-ota publish makes the first`
      : releaseTable(items, host.now(), output),
  );
  if (more)
    output.note(`only the latest ${countOf(items.length, "release")}; see more with --limit`);
}

interface ReleaseColumn extends Column {
  cell: (release: Release) => string;
  /** Columns without which the table says as much. */
  optional?: boolean;
}

function releaseTable(releases: readonly Release[], nowMs: number, output: Output): string {
  const cells = columnsOf(nowMs, output)
    .map((column) => ({ column, cells: releases.map(column.cell) }))
    .filter(({ column, cells }) => !column.optional || cells.some((cell) => cell !== ""));
  return renderTable(
    cells.map(({ column }) => column),
    releases.map((_, index) => cells.map(({ cells }) => cells[index] || "–")),
    output.tableStyle(),
  );
}

function columnsOf(nowMs: number, output: Output): readonly ReleaseColumn[] {
  const counted = (count: bigint | undefined, colour: "green" | "red"): string => {
    if (count === undefined) return "";
    return count === 0n ? "0" : output.paint(colour, `${count}`);
  };
  return [
    { title: "RELEASE", align: "right", cell: ({ revision }) => revisionText(revision) },
    {
      title: "PUBLISHED",
      spare: 1,
      cell: ({ publishedAt }) => relativeTime(momentMs(publishedAt), nowMs),
    },
    { title: "TARGET", optional: true, cell: targetText },
    { title: "SYSTEM", spare: 2, cell: ({ manifests }) => pathText(manifests[0]?.storePath ?? "") },
    { title: "SIZE", align: "right", spare: 3, cell: sizeText },
    { title: "OK", align: "right", cell: ({ outcomes }) => counted(outcomes?.applied, "green") },
    { title: "BACK", align: "right", cell: ({ outcomes }) => counted(outcomes?.rolledBack, "red") },
    { title: "FAILED", align: "right", cell: ({ outcomes }) => counted(outcomes?.failed, "red") },
    { title: "SILENT", align: "right", optional: true, cell: silentText },
    { title: "OPEN", align: "right", cell: openText },
    { title: "ROLLOUT", cell: ({ rollout }) => rolloutStateText(rollout, output) },
    { title: "MESSAGE", optional: true, cell: messageText },
  ];
}

function targetText({ manifests }: Release): string {
  const [first, second] = manifests;
  return second === undefined ? safeText(first?.target ?? "") : `${manifests.length} targets`;
}

/** Targets of one release have closures of different sizes. */
function sizeText({ manifests }: Release): string {
  const [first, second] = manifests;
  return first === undefined || second !== undefined ? "" : byteText(first.closureBytes);
}

/** `0c2hv4rw…nixos-system-till-25.05`: the name tells what it is, the hash which build. */
function pathText(storePath: string): string {
  const [hash, name] = [storePathHash(storePath), storePathName(storePath)];
  if (hash === undefined || name === undefined) return shortenMiddle(safeText(storePath), 40);
  return `${hash.slice(0, SHOWN_HASH_LENGTH)}…${shortenMiddle(name, SHOWN_NAME_LENGTH)}`;
}

/** Only of note where there are some. */
function silentText({ outcomes }: Release): string {
  return outcomes === undefined || outcomes.silent === 0n ? "" : `${outcomes.silent}`;
}

function openText({ outcomes }: Release): string {
  return outcomes === undefined ? "" : `${outcomes.inProgress + outcomes.outstanding}`;
}

function messageText({ manifests }: Release): string {
  return safeText(manifests[0]?.message ?? "", SHOWN_MESSAGE_LENGTH);
}
