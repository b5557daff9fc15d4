import type { Logger } from "pino";

import type { SessionKeyring } from "../access/session-keyring.ts";

/**
 * What looks at the session keys once more. Keys that cannot be read leave those of before, so
 * that no device is turned away; what is wrong with them is said once, until it changes.
 *
 * @param onKeyGone Called when sessions of some key are void from here on.
 */
export function keyRefresh(
  keyring: Pick<SessionKeyring, "refresh">,
  onKeyGone: () => void,
  log: Pick<Logger, "info" | "warn" | "error">,
): () => Promise<void> {
  let complaint: string | undefined;
  const isNews = (problem: string) => {
    const before = complaint;
    complaint = problem;
    return problem !== before;
  };
  return async () => {
    try {
      const refreshed = await keyring.refresh();
      if (refreshed.kind === "unreadable") {
        const { problem } = refreshed;
        if (isNews(problem)) log.error({ problem }, "the session keys stay as they were");
        return;
      }
      if (complaint !== undefined) log.info("the session keys can be read again");
      complaint = undefined;
      if (refreshed.kind === "same") return;
      const { keyCount, isKeyGone } = refreshed;
      log.info({ keyCount, isKeyGone }, "session keys changed");
      if (isKeyGone) onKeyGone();
    } catch (err) {
      if (isNews(String(err))) log.warn({ err }, "the session keys could not be read again");
    }
  };
}
