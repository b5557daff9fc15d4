import type { Device } from "@nix-ota/proto/nixota/v1/device_pb";

import { countOf, relativeTime, revisionText } from "../amounts.ts";
import type { Server } from "../client.ts";
import type { Host } from "../host.ts";
import { momentMs } from "../moment.ts";
import type { Output } from "../output.ts";
import { readPages } from "../pages.ts";
import { answerOf } from "../server-error.ts";
import { renderTable } from "../table.ts";
import { safeText } from "../terminal-text.ts";
import { deviceDocument } from "./document.ts";
import { paintMood } from "./mood-paint.ts";
import { attemptText, deviceMood, deviceNotes } from "./standing.ts";

/** Most that the server gives at once. */
const PAGE_SIZE = 500;

/** Prints the devices that a filter finds, by id. */
export async function listDevices(
  wishes: { filter: string; limit: number },
  server: Server,
  host: Host,
  output: Output,
): Promise<void> {
  const { items, more } = await readPages(wishes.limit, async (cursor) => {
    const request = { filter: wishes.filter, cursor, pageSize: PAGE_SIZE };
    const answer = await answerOf(server.checkin.listDevices(request), server.url);
    return { items: answer.devices, nextCursor: answer.nextCursor };
  });
  output.result({ devices: items.map(deviceDocument), truncated: more }, () =>
    items.length === 0 ? emptyText(wishes.filter) : deviceTable(items, host.now(), output),
  );
  if (more) output.note(`only the first ${countOf(items.length, "device")}; see more with --limit`);
}

function emptyText(filter: string): string {
  return filter.trim() === ""
    ? "no devices; they appear when their agents first call"
    : "no device meets the filter; nix-ota device list --help explains its terms";
}

function deviceTable(devices: readonly Device[], nowMs: number, output: Output): string {
  const notes = devices.map((device) => deviceNotes(device));
  // Only where somebody has some.
  const hasNotes = notes.some((note) => note !== "");
  return renderTable(
    [
      { title: "DEVICE" },
      { title: "CHANNEL", spare: 1 },
      { title: "TARGET", spare: 2 },
      { title: "RUNS", align: "right" },
      { title: "STATE" },
      { title: "LAST ATTEMPT" },
      { title: "SEEN" },
      ...(hasNotes ? [{ title: "NOTES" }] : []),
    ],
    devices.map((device, index) => [
      safeText(device.id),
      safeText(device.channel),
      safeText(device.target) || "–",
      revisionText(device.committedRevision),
      paintMood(deviceMood(device), output),
      paintMood(attemptText(device.attempt), output),
      relativeTime(momentMs(device.lastSeenAt), nowMs),
      ...(hasNotes ? [notes[index] || "–"] : []),
    ]),
    output.tableStyle(),
  );
}
