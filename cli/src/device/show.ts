import { toHex } from "@nix-ota/proto/hash";
import type { Device, DeviceEvent } from "@nix-ota/proto/nixota/v1/device_pb";
import { AgentState, AgentStateSchema } from "@nix-ota/proto/nixota/v1/device_pb";

import { byteText, relativeTime, revisionText } from "../amounts.ts";
import { CliError } from "../cli-error.ts";
import type { Server } from "../client.ts";
import { enumText } from "../enum-text.ts";
import type { Host } from "../host.ts";
import { momentMs, momentText } from "../moment.ts";
import type { Output } from "../output.ts";
import { answerOf } from "../server-error.ts";
import { renderFields, renderTable } from "../table.ts";
import { safeText } from "../terminal-text.ts";
import { deviceDocument, eventDocument } from "./document.ts";
import { paintMood } from "./mood-paint.ts";
import { attemptText, deviceMood } from "./standing.ts";

/** Events shown, newest first. */
const SHOWN_EVENTS = 15;

/** Prints all that is known of a device and what happened on it last. */
export async function showDevice(
  deviceId: string,
  server: Server,
  host: Host,
  output: Output,
): Promise<void> {
  const [{ device }, { events }] = await Promise.all([
    answerOf(server.checkin.getDevice({ deviceId }), server.url),
    answerOf(server.checkin.listDeviceEvents({ deviceId, pageSize: SHOWN_EVENTS }), server.url),
  ]);
  if (device === undefined)
    throw new CliError("unreachable", `${server.url} answered without a device; check its version`);
  output.result({ device: deviceDocument(device), events: events.map(eventDocument) }, () =>
    [deviceText(device, host.now(), output), ...eventTable(events, host.now(), output)].join("\n"),
  );
}

function deviceText(device: Device, nowMs: number, output: Output): string {
  const { attempt, inventory, links } = device;
  const free =
    inventory === undefined || inventory.nixTotalBytes === 0n
      ? ""
      : `${byteText(inventory.nixFreeBytes)} of ${byteText(inventory.nixTotalBytes)} free on /nix`;
  const fields: [string, string][] = [
    ["device", device.id],
    ["channel", device.channel],
    ["target", device.target],
    ["runs", revisionText(device.committedRevision)],
    ["state", paintMood(deviceMood(device), output)],
    ["last attempt", paintMood(attemptText(attempt), output)],
    ["because", attempt?.message ?? ""],
    ["verified", device.floor === undefined ? "" : `up to ${revisionText(device.floor.revision)}`],
    ["pinned to", device.pinnedRevision === 0n ? "" : revisionText(device.pinnedRevision)],
    ["running", links?.running ?? ""],
    ["booted", differs(links?.booted, links?.running)],
    ["next boot", differs(links?.profile, links?.running)],
    ["system", [inventory?.system, inventory?.nixosVersion].filter(Boolean).join(", ")],
    ["kernel", inventory?.kernel ?? ""],
    ["space", free],
    ["hostname", inventory?.hostname ?? ""],
    ["agent", device.agentVersion],
    ["manifest keys", device.pinnedKeyIds.map(toHex).join(", ")],
    ["tags", device.tags.join(", ")],
    ["enrolled", relativeTime(momentMs(device.enrolledAt), nowMs)],
    ["seen", seenText(device, nowMs)],
  ];
  const painted = new Set(["state", "last attempt"]);
  return renderFields(
    fields.map(([name, value]) => [name, painted.has(name) ? value : safeText(value)]),
    (name) => output.paint("dim", name),
  );
}

/** Only what is unusual is worth a line: all three links are the same on a device at rest. */
function differs(path: string | undefined, running: string | undefined): string {
  return path === undefined || path === running ? "" : path;
}

function seenText(device: Device, nowMs: number): string {
  const at = momentText(device.lastSeenAt);
  const relative = relativeTime(momentMs(device.lastSeenAt), nowMs);
  return at === null ? "never" : `${relative} (${at})`;
}

function eventTable(events: readonly DeviceEvent[], nowMs: number, output: Output): string[] {
  if (events.length === 0) return [];
  const rows = events.map((event) => [
    relativeTime(momentMs(event.occurredAt), nowMs),
    event.attempt === undefined ? "–" : revisionText(event.attempt.revision),
    event.state === AgentState.IDLE && event.attempt !== undefined
      ? paintMood(attemptText(event.attempt), output)
      : enumText(AgentStateSchema, event.state),
    safeText(event.message, 160),
  ]);
  return [
    "",
    renderTable(
      [{ title: "WHEN" }, { title: "RELEASE" }, { title: "WHAT" }, { title: "DETAIL" }],
      rows,
      output.tableStyle(),
    ),
  ];
}
