import { create } from "@bufbuild/protobuf";
import { FleetSummarySchema, type FleetSummary } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import type { AgentState } from "@nix-ota/proto/nixota/v1/device_pb";

/** Counts of a set of devices. */
export interface FleetCounts {
  readonly devices: bigint;
  readonly online: bigint;
  /** By channel and committed revision. */
  readonly revisions: readonly {
    readonly channel: string;
    /** 0: none. */
    readonly revision: bigint;
    readonly devices: bigint;
  }[];
  /** By the number of the contract's AgentState. */
  readonly states: readonly { readonly state: number; readonly devices: bigint }[];
}

/** The contract's FleetSummary. */
export function fleetSummary({ devices, online, revisions, states }: FleetCounts): FleetSummary {
  return create(FleetSummarySchema, {
    deviceCount: devices,
    onlineCount: online,
    revisions: revisions.map(({ channel, revision, devices: deviceCount }) => ({
      channel,
      revision,
      deviceCount,
    })),
    // Whatever number a device told.
    states: states.map(({ state, devices: deviceCount }) => ({
      state: state as AgentState,
      deviceCount,
    })),
  });
}
