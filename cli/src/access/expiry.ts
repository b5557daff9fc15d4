import { timestampFromMs, type Timestamp } from "@bufbuild/protobuf/wkt";

import { relativeTime } from "../amounts.ts";
import { parseDeadline } from "../deadline.ts";
import { momentMs, momentText } from "../moment.ts";

/**
 * When something ends, as a request says it; absent: the server's default.
 *
 * @throws {CliError} `usage` for what is no point in time, or past.
 */
export function expiry(expires: string | undefined, nowMs: number) {
  if (expires === undefined) return {};
  return { expiresAt: timestampFromMs(Number(parseDeadline(expires, nowMs)) * 1000) };
}

/** `expires 2027-02-23T18:42:00Z`, `never expires`. */
export function expiryText({ expiresAt }: { expiresAt?: Timestamp | undefined }): string {
  const at = momentText(expiresAt);
  return at === null ? "never expires" : `expires ${at.replace(".000Z", "Z")}`;
}

/** `in 89 d`, `5 min ago`, `never`. */
export function whenOrNever(moment: Timestamp | undefined, nowMs: number): string {
  return moment === undefined ? "never" : relativeTime(momentMs(moment), nowMs);
}
