import { Code, ConnectError } from "@connectrpc/connect";
import type { RejectCodeName } from "@nix-ota/proto";
import { reasonOf, type ReasonName, type Refusal } from "@nix-ota/proto/reason";

import { CliError } from "./cli-error.ts";
import { safeText } from "./terminal-text.ts";

/**
 * What to do about each reason on this side, where the server's sentence names no remedy. Empty for
 * what only devices and the console are told, and for what is told in another way.
 */
const REMEDY: Readonly<Record<ReasonName, string>> = {
  MANIFEST_REJECTED: "",
  REVISION_TAKEN: "publish again to take the next revision",
  REVISION_STALE: "publish again to take the next revision",
  LISTING_MISSING: "publish again; the listing travels with the release",
  LISTING_MALFORMED: "publish with a command line of the server's version",
  KEYS_REQUIRED: "publish with --key, whose public half is pinned",
  KEYS_DIFFER: "use the channel's keys, or have an admin change them with nix-ota channel set",
  CHANNEL_UNKNOWN: "nix-ota channel list shows which there are; the first publish makes one",
  RELEASE_UNKNOWN: "nix-ota release list shows what there is",
  DEVICE_UNKNOWN: "nix-ota device list shows which there are",
  LISTING_UNKNOWN: "releases are compared whose contents are pinned: publish without --trust-cache",
  CREDENTIAL_INVALID: "give a valid token with --token-file or NIX_OTA_TOKEN",
  SCOPE_MISSING: "use a token that has the scope; nix-ota whoami shows what this one has",
  KEY_CONFLICT: "",
  PENDING_APPROVAL: "",
  DEVICE_REVOKED: "",
  SERVER_URL_MISMATCH: "",
  CHALLENGE_EXPIRED: "",
  ENROLMENT_CLOSED: "",
  OVERLOADED: "try again in a moment",
  SHUTTING_DOWN: "try again in a moment",
  DATABASE_UNAVAILABLE: "try again when the server's database answers",
  CURSOR_INVALID: "list again from the beginning",
  INTERNAL: "the server's log has the cause",
  NOT_YOUR_DEVICE: "",
  CHANNEL_EXISTS: "nix-ota channel set changes it",
  TOKEN_UNKNOWN: "nix-ota token list and nix-ota enrol-token list show which there are",
  ORIGIN_REFUSED: "",
  STREAM_ENDED: "try again",
  FILTER_INVALID: "nix-ota device list --help explains the terms",
  NOTHING_TO_RECOVER: "wait until devices have reported to this server",
  RECOVERY_CONFLICT: "publish once more with a --revision above both",
};

/** Codes by which a server refuses; with the others it failed, or something on the way to it. */
const REFUSING = new Set<Code>([
  Code.InvalidArgument,
  Code.FailedPrecondition,
  Code.AlreadyExists,
  Code.NotFound,
  Code.PermissionDenied,
  Code.Unauthenticated,
  Code.ResourceExhausted,
  Code.OutOfRange,
]);

/**
 * The answer, with what Connect throws told in this package's words.
 *
 * @throws {CliError} `refused` or `unreachable`.
 */
export async function answerOf<T>(call: Promise<T>, url: string): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ConnectError) throw translate(error, url);
    throw error;
  }
}

/**
 * What every answer of the contract has, although a message's field can be unset.
 *
 * @throws {CliError} `unreachable` when it is not there.
 */
export function given<T>(value: T | undefined, url: string): T {
  if (value !== undefined) return value;
  throw new CliError("unreachable", `${url} left out what was asked for; check its version`);
}

function translate(error: ConnectError, url: string): CliError {
  const refusal = reasonOf(error);
  // The sentence is the server's, or that of whatever answered in its place.
  const said = safeText(error.rawMessage);
  if (refusal?.reason === "MANIFEST_REJECTED")
    return new CliError("refused", rejectionText(refusal.rejectCode, said), {
      cause: error,
      refusal,
    });
  if (refusal !== undefined) {
    // Messages of this project name the remedy behind a semicolon; one is enough.
    const remedy = said.includes("; ") ? "" : remedyOf(refusal);
    return new CliError(
      REFUSING.has(error.code) ? "refused" : "unreachable",
      remedy === "" ? said : `${said}; ${remedy}`,
      { cause: error, refusal },
    );
  }
  switch (error.code) {
    case Code.Unimplemented:
      return new CliError(
        "refused",
        `${url} does not know this call; check --server, and that both have one version`,
        {
          cause: error,
        },
      );
    case Code.Unauthenticated:
      return new CliError(
        "refused",
        `${url} wants a token: ${said}; ${REMEDY.CREDENTIAL_INVALID}`,
        {
          cause: error,
        },
      );
    case Code.DeadlineExceeded:
      return new CliError("unreachable", `${url} did not answer in time; try again`, {
        cause: error,
      });
    case Code.Unavailable:
      return new CliError(
        "unreachable",
        `${url} cannot be reached: ${said}; check --server and the network`,
        { cause: error },
      );
    default:
      return new CliError(
        REFUSING.has(error.code) ? "refused" : "unreachable",
        `${url} answered: ${said || Code[error.code]}; check --server and its log, or see nix-ota doctor`,
        { cause: error },
      );
  }
}

function remedyOf({ reason, retryAfterMs }: Refusal): string {
  if (reason === "OVERLOADED" && retryAfterMs !== undefined)
    return `try again in ${Math.ceil(retryAfterMs / 1000)} s`;
  return REMEDY[reason];
}

/** The gate judges a manifest wherever it is opened; here it says what the publisher can do. */
function rejectionText(code: RejectCodeName | undefined, said: string): string {
  const rejected = `the server refused the manifest (${code ?? "no code"}): ${said}`;
  switch (code) {
    case "BAD_SIGNATURE":
      return `${rejected}; sign with a --key whose public half the channel has`;
    case "THRESHOLD":
      return `${rejected}; give --key once for each signer`;
    default:
      return rejected;
  }
}
