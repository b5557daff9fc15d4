import type { Kysely } from "kysely";
import type { Logger } from "pino";

import type { OperatorCheck } from "./access/operator-check.ts";
import type { SessionKeys } from "./access/session-key-file.ts";
import type { OpenEnrolmentLimits } from "./checkin/open-enrolment.ts";
import type { ReportWriter } from "./checkin/report-writer.ts";
import type { Database } from "./db/database.ts";
import type { EnrolmentMode } from "./enrolment-mode.ts";
import type { Feed } from "./feed/feed.ts";

/** Everything outside itself that a handler may touch. */
export interface Deps {
  readonly db: Kysely<Database>;
  readonly log: Logger;
  /** Milliseconds since 1970 UTC. Read once for a decision. */
  readonly nowMs: () => number;
  /** From 0 up to 1, for jitter. */
  readonly random: () => number;
  /** Lets what waits in the event loop have its turn. */
  readonly nextTurn: () => Promise<void>;
  readonly operators: OperatorCheck;
  /** Takes the file of a first admin token away that was used; a failure is logged, for the token is worth nothing. */
  readonly dropFirstAdminFile: () => void;
  /** Those of the moment: read them where they are used. */
  readonly sessionKeys: SessionKeys;
  /** Normalised URLs by which devices may mean this server. */
  readonly publicUrls: ReadonlySet<string>;
  /** Makes reports durable, many at a time. */
  readonly reports: ReportWriter;
  /** How unknown devices come to a channel that does not say, and how many without a token. */
  readonly enrolment: OpenEnrolmentLimits & { readonly mode: EnrolmentMode };
  /** Tells connected devices what changes. */
  readonly feed: Feed;
  /** Longest silence of the server on a stream, milliseconds. */
  readonly heartbeatMs: number;
  /** How often devices are told to report, milliseconds. */
  readonly checkInIntervalMs: number;
  /** Version of the program. */
  readonly version: string;
}
