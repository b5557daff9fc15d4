import { ConnectError } from "@connectrpc/connect";
import { otaError } from "@nix-ota/proto/reason";

import { sqlFault } from "./db/sql-fault.ts";
import { OtaError, type ErrorKind } from "./ota-error.ts";

type LogLevel = "debug" | "info" | "warn" | "error";

// Three columns of one table: kind → who sees what. `THROWN` is the message as
// it was thrown, written for the caller; the others hide what the caller has
// no part in.
const THROWN = Symbol("message as thrown");

const PUBLIC_SENTENCE: Readonly<Record<ErrorKind, string | typeof THROWN>> = {
  MANIFEST_REJECTED: THROWN,
  REVISION_TAKEN: THROWN,
  REVISION_STALE: THROWN,
  LISTING_MISSING: THROWN,
  LISTING_MALFORMED: THROWN,
  KEYS_REQUIRED: THROWN,
  KEYS_DIFFER: THROWN,
  CHANNEL_UNKNOWN: THROWN,
  RELEASE_UNKNOWN: THROWN,
  DEVICE_UNKNOWN: THROWN,
  LISTING_UNKNOWN: THROWN,
  CREDENTIAL_INVALID: THROWN,
  SCOPE_MISSING: THROWN,
  KEY_CONFLICT: THROWN,
  PENDING_APPROVAL: THROWN,
  DEVICE_REVOKED: THROWN,
  SERVER_URL_MISMATCH: THROWN,
  CHALLENGE_EXPIRED: THROWN,
  ENROLMENT_CLOSED: THROWN,
  OVERLOADED: THROWN,
  SHUTTING_DOWN: THROWN,
  CURSOR_INVALID: THROWN,
  NOT_YOUR_DEVICE: THROWN,
  CHANNEL_EXISTS: THROWN,
  TOKEN_UNKNOWN: THROWN,
  ORIGIN_REFUSED: THROWN,
  STREAM_ENDED: THROWN,
  FILTER_INVALID: THROWN,
  NOTHING_TO_RECOVER: THROWN,
  RECOVERY_CONFLICT: THROWN,
  DATABASE_UNAVAILABLE: "the database does not answer; the call can be repeated",
  INTERNAL: "the server failed; its log has the request id",
};

const LOG_LEVEL: Readonly<Record<ErrorKind, LogLevel>> = {
  MANIFEST_REJECTED: "warn",
  REVISION_TAKEN: "info",
  REVISION_STALE: "info",
  LISTING_MISSING: "info",
  LISTING_MALFORMED: "info",
  KEYS_REQUIRED: "info",
  KEYS_DIFFER: "warn",
  CHANNEL_UNKNOWN: "debug",
  RELEASE_UNKNOWN: "debug",
  DEVICE_UNKNOWN: "info",
  LISTING_UNKNOWN: "debug",
  CREDENTIAL_INVALID: "info",
  SCOPE_MISSING: "info",
  KEY_CONFLICT: "warn",
  PENDING_APPROVAL: "debug",
  DEVICE_REVOKED: "info",
  SERVER_URL_MISMATCH: "warn",
  CHALLENGE_EXPIRED: "info",
  ENROLMENT_CLOSED: "info",
  OVERLOADED: "warn",
  SHUTTING_DOWN: "info",
  CURSOR_INVALID: "info",
  NOT_YOUR_DEVICE: "warn",
  CHANNEL_EXISTS: "info",
  TOKEN_UNKNOWN: "info",
  ORIGIN_REFUSED: "warn",
  STREAM_ENDED: "debug",
  FILTER_INVALID: "info",
  NOTHING_TO_RECOVER: "info",
  RECOVERY_CONFLICT: "error",
  DATABASE_UNAVAILABLE: "error",
  INTERNAL: "error",
};

/** What a failed call answers and how loudly the log takes it. */
export interface Answer {
  readonly error: ConnectError;
  readonly level: LogLevel;
}

/** Turns whatever a handler threw into what its caller may see. */
export function answerTo(thrown: unknown): Answer {
  // Made by Connect itself or by the validator, for the caller.
  if (thrown instanceof ConnectError) return { error: thrown, level: "info" };
  const error = thrown instanceof OtaError ? thrown : foreign(thrown);
  const sentence = PUBLIC_SENTENCE[error.kind];
  return {
    error: otaError(error.kind, sentence === THROWN ? error.message : sentence, {
      ...error.details,
      cause: error,
    }),
    level: LOG_LEVEL[error.kind],
  };
}

/** An error of the database or a defect; its text stays in the log. */
function foreign(thrown: unknown): OtaError {
  const fault = sqlFault(thrown);
  const kind =
    fault?.kind === "unavailable" || fault?.kind === "conflict"
      ? "DATABASE_UNAVAILABLE"
      : "INTERNAL";
  return new OtaError(kind, "a call failed", { cause: thrown });
}
