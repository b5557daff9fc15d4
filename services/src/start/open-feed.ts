import type { Kysely } from "kysely";
import type { Logger } from "pino";

import { directiveMessage } from "../checkin/directive.ts";
import type { Database } from "../db/database.ts";
import { Feed, type FeedOptions } from "../feed/feed.ts";
import { outageNotices } from "../feed/outage-notices.ts";
import { findFeedFacts, findVersions } from "../feed/queries.ts";
import type { Limits } from "../limits.ts";
import { after, inTime } from "./timers.ts";

/** The feed over a database, told of what is news by the rule that answers reports. */
export function openFeed(options: {
  readonly db: Kysely<Database>;
  readonly log: Logger;
  readonly limits: Limits;
  readonly checkInIntervalMs: number;
  readonly findEnded: FeedOptions["findEnded"];
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  readonly random: () => number;
}): Feed {
  const { db, log, limits, checkInIntervalMs, findEnded, nowMs, monotonicMs, random } = options;
  const noticeOf = outageNotices();
  return new Feed({
    ...limits,
    readVersions: () => inTime(findVersions(db)),
    findFacts: (deviceIds) => inTime(findFeedFacts(db, deviceIds)),
    directive: ({ device, head, sequence }) =>
      directiveMessage({
        device,
        head,
        acknowledgedSequence: sequence,
        acknowledgedEventIds: [],
        checkInIntervalMs,
        nowMs: nowMs(),
        random: random(),
      }),
    findEnded,
    onFailure(err) {
      const failures = noticeOf(monotonicMs());
      if (failures === undefined) return;
      log.warn({ err, failures }, "connected devices hear of changes later");
    },
    nowMs,
    monotonicMs,
    random,
    after,
  });
}
