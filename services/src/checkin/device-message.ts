import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { fromHex } from "@nix-ota/proto/hash";
import {
  AttemptSchema,
  DeviceSchema,
  DeviceStanding,
  InventorySchema,
  type AgentState,
  type Device,
} from "@nix-ota/proto/nixota/v1/device_pb";

import type { Standing } from "../standing.ts";
import type { StoredDevice, StoredStatus } from "./stored-device.ts";

const STANDING = {
  accepted: DeviceStanding.ACCEPTED,
  pending: DeviceStanding.PENDING,
  rejected: DeviceStanding.REJECTED,
  revoked: DeviceStanding.REVOKED,
} as const satisfies Record<Standing, DeviceStanding>;

/** The contract's DeviceStanding. */
export function standingMessage(standing: Standing): DeviceStanding {
  return STANDING[standing];
}

/** The standing that the contract's names; undefined: unspecified. */
export function standingOf(message: DeviceStanding): Standing | undefined {
  return (Object.keys(STANDING) as Standing[]).find((standing) => STANDING[standing] === message);
}

/** How long a device counts as cloned after two machines were seen under its key. */
export const CLONED_FOR_MS = 24 * 60 * 60_000;

/** The contract's Device. What was never reported is left out. */
export function deviceMessage(device: StoredDevice, nowMs: number): Device {
  const { keyConflictAt } = device;
  return create(DeviceSchema, {
    id: device.id,
    channel: device.channel,
    target: device.target,
    standing: standingMessage(device.standing),
    publicKey: device.publicKey,
    keyEpoch: device.keyEpoch,
    tags: [...device.tags],
    pinnedRevision: device.pinnedRevision,
    retryRevision: device.retryRevision,
    enrolledAt: timestampFromDate(device.enrolledAt),
    enrolledBy: device.enrolledBy,
    ...(keyConflictAt === undefined ? {} : { keyConflictAt: timestampFromDate(keyConflictAt) }),
    ...(device.inventory === undefined
      ? {}
      : { inventory: fromBinary(InventorySchema, device.inventory) }),
    ...(device.attempt === undefined ? {} : { attempt: fromBinary(AttemptSchema, device.attempt) }),
    ...(device.status === undefined ? {} : reported(device.status, nowMs)),
  });
}

function reported(status: StoredStatus, nowMs: number): MessageInitShape<typeof DeviceSchema> {
  const { running, booted, profile, clonedAt } = status;
  return {
    // The column holds whatever number the device sent; unknown ones stay so.
    state: status.state as AgentState,
    links: { running, booted, profile },
    floor: { revision: status.floorRevision, payloadSha256: status.floorSha256 },
    committedRevision: status.committedRevision,
    agentVersion: status.agentVersion,
    agentLevel: Number(status.agentLevel),
    pinnedKeyIds: status.pinnedKeyIds.flatMap((id) => fromHex(id) ?? []),
    quarantinedRevisions: [...status.quarantinedRevisions],
    lastSeenAt: timestampFromDate(status.lastSeenAt),
    cloned: clonedAt !== undefined && clonedAt.getTime() > nowMs - CLONED_FOR_MS,
  };
}
