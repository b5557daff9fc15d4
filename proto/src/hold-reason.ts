import { HoldReason } from "../gen/nixota/v1/channel_pb.ts";

/** Why nothing is offered, as the contract spells it. */
export type HoldReasonName = keyof typeof HoldReason;

const NAMES = Object.keys(HoldReason) as HoldReasonName[];
const BY_NUMBER = new Map<number, HoldReasonName>(NAMES.map((name) => [HoldReason[name], name]));

/** Name of a reason; `UNSPECIFIED` for one of a later version. */
export function holdReasonName(reason: HoldReason): HoldReasonName {
  return BY_NUMBER.get(reason) ?? "UNSPECIFIED";
}
