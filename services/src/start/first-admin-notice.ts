import type { Logger } from "pino";

import type { FirstAdmin } from "../access/first-admin.ts";

/** Where the token lies is told; the token never is. */
export function tellFirstAdmin(first: FirstAdmin, log: Logger): void {
  switch (first.kind) {
    case "not-needed":
      return;
    case "in-file":
      log.warn(
        { file: first.file },
        "there is no admin: make an admin token with the one-time token in the file, which ends by that",
      );
      return;
    case "elsewhere":
      log.warn(
        "there is no admin: the one-time token lies in the data directory of the server that started first; where that is lost, start with --admin-token-file",
      );
  }
}
