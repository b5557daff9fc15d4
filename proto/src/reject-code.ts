import { RejectCode } from "../gen/nixota/v1/manifest_pb.ts";

/** Name of the gate's check that refused. */
export type RejectCodeName = Exclude<keyof typeof RejectCode, "UNSPECIFIED">;

const NAMES = Object.keys(RejectCode).filter((name) => name !== "UNSPECIFIED");
const BY_NUMBER = new Map<number, RejectCodeName>(
  (NAMES as RejectCodeName[]).map((name) => [RejectCode[name], name]),
);

/** Name of a code; undefined for 0 and for codes of a later version. */
export function rejectCodeName(code: RejectCode): RejectCodeName | undefined {
  return BY_NUMBER.get(code);
}
