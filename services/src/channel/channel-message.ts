import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ChannelSchema, EnrolmentMode, type Channel } from "@nix-ota/proto/nixota/v1/channel_pb";

import { planMessage } from "../publish/rollout-plan.ts";
import type { StoredChannel } from "./stored-channel.ts";

const ENROLMENT = {
  default: EnrolmentMode.UNSPECIFIED,
  open: EnrolmentMode.OPEN,
  token: EnrolmentMode.TOKEN,
  approve: EnrolmentMode.APPROVE,
} as const;

/** The contract's Channel. `fleetFloorRevision` is filled where a call says so. */
export function channelMessage(channel: StoredChannel, fleetFloorRevision = 0n): Channel {
  return create(ChannelSchema, {
    name: channel.name,
    headRevision: channel.headRevision,
    publicKeys: channel.keys.map(({ publicKey, name }) => ({ key: publicKey, name })),
    threshold: channel.threshold,
    paused: channel.paused,
    enrolment: ENROLMENT[channel.enrolment ?? "default"],
    defaultPlan: planMessage(channel.deviceTimeoutMs),
    createdAt: timestampFromDate(channel.createdAt),
    fleetFloorRevision,
  });
}
