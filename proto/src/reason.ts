import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

import { ErrorDetailSchema, ErrorReason } from "../gen/nixota/v1/error_pb.ts";
import { RejectCode } from "../gen/nixota/v1/manifest_pb.ts";
import { rejectCodeName, type RejectCodeName } from "./reject-code.ts";

/** Why a call was refused. */
export type ReasonName = Exclude<keyof typeof ErrorReason, "UNSPECIFIED">;

/** The Connect code that accompanies each reason. */
export const CODE_OF_REASON: Readonly<Record<ReasonName, Code>> = {
  MANIFEST_REJECTED: Code.InvalidArgument,
  REVISION_TAKEN: Code.AlreadyExists,
  REVISION_STALE: Code.FailedPrecondition,
  LISTING_MISSING: Code.FailedPrecondition,
  LISTING_MALFORMED: Code.InvalidArgument,
  KEYS_REQUIRED: Code.FailedPrecondition,
  KEYS_DIFFER: Code.FailedPrecondition,
  CHANNEL_UNKNOWN: Code.NotFound,
  RELEASE_UNKNOWN: Code.NotFound,
  DEVICE_UNKNOWN: Code.NotFound,
  LISTING_UNKNOWN: Code.NotFound,
  CREDENTIAL_INVALID: Code.Unauthenticated,
  SCOPE_MISSING: Code.PermissionDenied,
  KEY_CONFLICT: Code.PermissionDenied,
  PENDING_APPROVAL: Code.FailedPrecondition,
  DEVICE_REVOKED: Code.PermissionDenied,
  SERVER_URL_MISMATCH: Code.PermissionDenied,
  CHALLENGE_EXPIRED: Code.Unauthenticated,
  ENROLMENT_CLOSED: Code.FailedPrecondition,
  OVERLOADED: Code.ResourceExhausted,
  SHUTTING_DOWN: Code.Unavailable,
  DATABASE_UNAVAILABLE: Code.Unavailable,
  CURSOR_INVALID: Code.InvalidArgument,
  INTERNAL: Code.Internal,
  NOT_YOUR_DEVICE: Code.PermissionDenied,
  CHANNEL_EXISTS: Code.AlreadyExists,
  TOKEN_UNKNOWN: Code.NotFound,
  ORIGIN_REFUSED: Code.PermissionDenied,
  STREAM_ENDED: Code.Unavailable,
  FILTER_INVALID: Code.InvalidArgument,
  NOTHING_TO_RECOVER: Code.FailedPrecondition,
  RECOVERY_CONFLICT: Code.FailedPrecondition,
};

/** What a program can act on beside the reason. */
export interface ReasonDetails {
  /** With MANIFEST_REJECTED: which check of the gate. */
  readonly rejectCode?: RejectCodeName | undefined;
  /** With REVISION_TAKEN and REVISION_STALE: the channel's head. */
  readonly headRevision?: bigint | undefined;
  /** With a refusal that ends by itself: how long to wait, milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** A refusal as a caller sees it. */
export interface Refusal extends ReasonDetails {
  readonly reason: ReasonName;
  readonly code: Code;
  /** The sentence for a person, without the code in front. */
  readonly message: string;
}

/**
 * The error that refuses a call. `cause` is for the log and stays off the wire.
 */
export function otaError(
  reason: ReasonName,
  message: string,
  details: ReasonDetails & { readonly cause?: unknown } = {},
): ConnectError {
  const detail = create(ErrorDetailSchema, {
    reason: ErrorReason[reason],
    rejectCode: RejectCode[details.rejectCode ?? "UNSPECIFIED"],
    headRevision: details.headRevision ?? 0n,
    retryAfterMs: details.retryAfterMs ?? 0,
  });
  return new ConnectError(
    message,
    CODE_OF_REASON[reason],
    undefined,
    [{ desc: ErrorDetailSchema, value: detail }],
    details.cause,
  );
}

/**
 * What a refused call says. Undefined when it carries no detail, e.g. from a
 * proxy, or a reason that a later server added: the Connect code then has to
 * do. Details that were not set are absent.
 */
export function reasonOf(error: unknown): Refusal | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  const detail = error.findDetails(ErrorDetailSchema)[0];
  const reason = REASON_OF_NUMBER.get(detail?.reason ?? ErrorReason.UNSPECIFIED);
  if (detail === undefined || reason === undefined) return undefined;
  const rejectCode = rejectCodeName(detail.rejectCode);
  return {
    reason,
    code: error.code,
    message: error.rawMessage,
    ...(rejectCode === undefined ? {} : { rejectCode }),
    ...(detail.headRevision === 0n ? {} : { headRevision: detail.headRevision }),
    ...(detail.retryAfterMs === 0 ? {} : { retryAfterMs: detail.retryAfterMs }),
  };
}

const REASONS = Object.keys(CODE_OF_REASON) as ReasonName[];
const REASON_OF_NUMBER = new Map<number, ReasonName>(
  REASONS.map((reason) => [ErrorReason[reason], reason]),
);
