import { create, fromBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { fromHex } from "@nix-ota/proto/hash";
import {
  AgentState,
  AttemptSchema,
  DeviceSchema,
  DeviceStanding,
  InventorySchema,
  type Device,
} from "@nix-ota/proto/nixota/v1/device_pb";

import type { Standing } from "../db/database.ts";
import type { DeviceRow } from "./device-queries.ts";

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

/** The contract's Device. What was never reported is left out. */
export function deviceMessage(row: DeviceRow): Device {
  return create(DeviceSchema, {
    id: row.id,
    channel: row.channel,
    target: row.target,
    standing: standingMessage(row.standing),
    publicKey: row.public_key,
    keyEpoch: row.key_epoch,
    tags: row.tags,
    pinnedRevision: row.pinned_revision,
    enrolledAt: timestampFromDate(row.enrolled_at),
    ...(row.inventory === null ? {} : { inventory: fromBinary(InventorySchema, row.inventory) }),
    ...(row.attempt === null ? {} : { attempt: fromBinary(AttemptSchema, row.attempt) }),
    ...(row.last_seen_at === null
      ? {}
      : {
          // The column holds whatever number the device sent; unknown ones stay so.
          state: (row.state ?? AgentState.UNSPECIFIED) as AgentState,
          links: {
            running: row.running ?? "",
            booted: row.booted ?? "",
            profile: row.profile ?? "",
          },
          floor: {
            revision: row.floor_revision ?? 0n,
            payloadSha256: row.floor_sha256 ?? new Uint8Array(),
          },
          committedRevision: row.committed_revision ?? 0n,
          agentVersion: row.agent_version ?? "",
          agentLevel: Number(row.agent_level ?? 0n),
          pinnedKeyIds: (row.pinned_key_ids ?? []).flatMap((id) => fromHex(id) ?? []),
          lastSeenAt: timestampFromDate(row.last_seen_at),
        }),
  });
}
