import { toBase64, toHex } from "@nix-ota/proto/hash";
import {
  AgentStateSchema,
  DeviceStandingSchema,
  FailureCodeSchema,
  OutcomeSchema,
  type Attempt,
  type Device,
  type DeviceEvent,
} from "@nix-ota/proto/nixota/v1/device_pb";
import { RejectCodeSchema } from "@nix-ota/proto/nixota/v1/manifest_pb";

import { enumText } from "../enum-text.ts";
import { momentText } from "../moment.ts";

/** A device for a program: every key is always there. */
export function deviceDocument(device: Device) {
  return {
    id: device.id,
    channel: device.channel,
    target: device.target,
    standing: enumText(DeviceStandingSchema, device.standing),
    state: enumText(AgentStateSchema, device.state),
    committedRevision: Number(device.committedRevision),
    floorRevision: Number(device.floor?.revision ?? 0n),
    pinnedRevision: Number(device.pinnedRevision),
    retryRevision: Number(device.retryRevision),
    quarantinedRevisions: device.quarantinedRevisions.map(Number),
    attempt: device.attempt === undefined ? null : attemptDocument(device.attempt),
    links: {
      running: device.links?.running ?? "",
      booted: device.links?.booted ?? "",
      profile: device.links?.profile ?? "",
    },
    tags: device.tags,
    cloned: device.cloned,
    publicKey: device.publicKey.length === 0 ? "" : toBase64(device.publicKey),
    keyEpoch: device.keyEpoch,
    keyConflictAt: momentText(device.keyConflictAt),
    pinnedKeyIds: device.pinnedKeyIds.map(toHex),
    agentVersion: device.agentVersion,
    agentLevel: device.agentLevel,
    inventory: {
      hostname: device.inventory?.hostname ?? "",
      system: device.inventory?.system ?? "",
      nixosVersion: device.inventory?.nixosVersion ?? "",
      nixVersion: device.inventory?.nixVersion ?? "",
      kernel: device.inventory?.kernel ?? "",
      nixFreeBytes: Number(device.inventory?.nixFreeBytes ?? 0n),
      nixTotalBytes: Number(device.inventory?.nixTotalBytes ?? 0n),
    },
    enrolledAt: momentText(device.enrolledAt),
    enrolledBy: device.enrolledBy,
    lastSeenAt: momentText(device.lastSeenAt),
  };
}

/** An event for a program. */
export function eventDocument(event: DeviceEvent) {
  return {
    id: event.id,
    number: Number(event.number),
    occurredAt: momentText(event.occurredAt),
    receivedAt: momentText(event.receivedAt),
    state: enumText(AgentStateSchema, event.state),
    attempt: event.attempt === undefined ? null : attemptDocument(event.attempt),
    message: event.message,
  };
}

function attemptDocument(attempt: Attempt) {
  return {
    id: attempt.id,
    channel: attempt.channel,
    revision: Number(attempt.revision),
    storePath: attempt.storePath,
    state: enumText(AgentStateSchema, attempt.state),
    outcome: enumText(OutcomeSchema, attempt.outcome),
    failure: enumText(FailureCodeSchema, attempt.failureCode),
    rejected: enumText(RejectCodeSchema, attempt.rejectCode),
    message: attempt.message,
    bytesDone: Number(attempt.fetch?.bytesDone ?? 0n),
    bytesTotal: Number(attempt.fetch?.bytesTotal ?? 0n),
    rebootRequired: attempt.rebootRequired,
  };
}
