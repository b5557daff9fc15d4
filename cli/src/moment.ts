import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampDate } from "@bufbuild/protobuf/wkt";

/** Milliseconds since 1970 UTC, undefined where none was given. */
export function momentMs(moment: Timestamp | undefined): number | undefined {
  return moment === undefined ? undefined : timestampDate(moment).getTime();
}

/** As RFC 3339 says it, null where none was given or no calendar has it. */
export function momentText(moment: Timestamp | undefined): string | null {
  const atMs = momentMs(moment);
  if (atMs === undefined || Number.isNaN(atMs)) return null;
  return new Date(atMs).toISOString();
}
