import { toBase64, toHex } from "@nix-ota/proto/hash";
import type { Device, DeviceEvent } from "@nix-ota/proto/nixota/v1/device_pb";
import { AgentState, AgentStateSchema } from "@nix-ota/proto/nixota/v1/device_pb";

import { byteText, relativeTime, revisionText } from "../amounts.ts";
import { CliError } from "../cli-error.ts";
import type { Server } from "../client.ts";
import { enumText } from "../enum-text.ts";
import type { Host } from "../host.ts";
import { momentMs, momentText } from "../moment.ts";
import type { Output } from "../output.ts";
import { fieldsText } from "../print-fields.ts";
import { answerOf } from "../server-error.ts";
import { renderTable } from "../table.ts";
import { safeText } from "../terminal-text.ts";
import { deviceDocument, eventDocument } from "./document.ts";
import { paintMood } from "./mood-paint.ts";
import { attemptText, deviceMood } from "./standing.ts";
import { deviceWarnings } from "./warnings.ts";

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
    ["to retry", device.retryRevision === 0n ? "" : revisionText(device.retryRevision)],
    ["quarantined", device.quarantinedRevisions.map(revisionText).join(", ")],
    ["running", links?.running ?? ""],
    ["booted", differs(links?.booted, links?.running)],
    ["next boot", differs(links?.profile, links?.running)],
    ["system", [inventory?.system, inventory?.nixosVersion].filter(Boolean).join(", ")],
    ["kernel", inventory?.kernel ?? ""],
    ["space", free],
    ["hostname", inventory?.hostname ?? ""],
    ["agent", device.agentVersion],
    ["own key", ownKeyText(device)],
    ["manifest keys", device.pinnedKeyIds.map(toHex).join(", ")],
    ["tags", device.tags.join(", ")],
    ["enrolled", enrolledText(device, nowMs)],
    ["seen", seenText(device, nowMs)],
  ];
  const painted = new Set(["state", "last attempt"]);
  const safe = fields.map(([name, value]): [string, string] => [
    name,
    painted.has(name) ? value : safeText(value),
  ]);
  return [...deviceWarnings(device, nowMs, output), fieldsText(safe, output)].join("\n");
}

function ownKeyText({ publicKey, keyEpoch }: Device): string {
  if (publicKey.length === 0) return "";
  // The first key is of epoch 1.
  if (keyEpoch <= 1) return toBase64(publicKey);
  return `${toBase64(publicKey)} (key epoch ${keyEpoch})`;
}

/** Every device enrolled at some time; a server that does not say by what is older. */
function enrolledText({ enrolledAt, enrolledBy }: Device, nowMs: number): string {
  const at = relativeTime(momentMs(enrolledAt), nowMs);
  return enrolledBy === "" ? at : `${at}, by ${enrolledBy}`;
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
