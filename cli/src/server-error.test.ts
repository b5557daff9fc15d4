import { Code, ConnectError } from "@connectrpc/connect";
import { CODE_OF_REASON, otaError, type ReasonName } from "@nix-ota/proto/reason";
import { expect, it } from "vitest";

import type { CliError } from "./cli-error.ts";
import { answerOf } from "./server-error.ts";

const URL = "https://ota.test";

async function told(error: unknown): Promise<CliError> {
  const call = async (): Promise<never> => {
    throw error;
  };
  try {
    await answerOf(call(), URL);
  } catch (caught) {
    return caught as CliError;
  }
  throw new Error("not thrown");
}

it("adds what to do where the server's sentence does not say it", async () => {
  expect(await told(otaError("CREDENTIAL_INVALID", "the token is not known"))).toMatchObject({
    kind: "refused",
    message: "the token is not known; give a valid token with --token-file or NIX_OTA_TOKEN",
  });
  expect((await told(otaError("CHANNEL_UNKNOWN", "no channel x; publish on it"))).message).toBe(
    "no channel x; publish on it",
  );
});

it("names the gate's check, and what the publisher can do about a signature", async () => {
  const error = otaError("MANIFEST_REJECTED", "nobody signed", { rejectCode: "BAD_SIGNATURE" });
  expect(await told(error)).toMatchObject({
    kind: "refused",
    message:
      "the server refused the manifest (BAD_SIGNATURE): nobody signed; sign with a --key whose public half the channel has",
    refusal: { reason: "MANIFEST_REJECTED", rejectCode: "BAD_SIGNATURE" },
  });
});

it.each([
  [otaError("SHUTTING_DOWN", "the server is ending"), "unreachable"],
  [otaError("DATABASE_UNAVAILABLE", "no database"), "unreachable"],
  [otaError("INTERNAL", "the server failed"), "unreachable"],
  [otaError("OVERLOADED", "too many calls"), "refused"],
  [otaError("REVISION_TAKEN", "taken", { headRevision: 7n }), "refused"],
  [new ConnectError("ECONNREFUSED", Code.Unavailable), "unreachable"],
  [new ConnectError("late", Code.DeadlineExceeded), "unreachable"],
  [new ConnectError("reset", Code.Aborted), "unreachable"],
  [new ConnectError("404", Code.Unimplemented), "refused"],
  [new ConnectError("no", Code.PermissionDenied), "refused"],
])("%s is %s", async (error, kind) => {
  expect(await told(error)).toMatchObject({ kind, cause: error });
});

it("what stands in for a server cannot repaint the terminal either", async () => {
  const error = new ConnectError("bad\u001b[2J gateway\nerror: root", Code.Unavailable);
  expect((await told(error)).message).not.toMatch(/\p{Cc}/u);
});

/** Calls that operators do not make are refused with these. */
const TOLD_TO_OTHERS = new Set<ReasonName>([
  "KEY_CONFLICT",
  "PENDING_APPROVAL",
  "DEVICE_REVOKED",
  "SERVER_URL_MISMATCH",
  "CHALLENGE_EXPIRED",
  "ENROLMENT_CLOSED",
  "NOT_YOUR_DEVICE",
  "ORIGIN_REFUSED",
]);
const TOLD_TO_OPERATORS = (Object.keys(CODE_OF_REASON) as ReasonName[]).filter(
  // What the gate refuses names its check, and the remedy where there is one.
  (reason) => !TOLD_TO_OTHERS.has(reason) && reason !== "MANIFEST_REJECTED",
);

it.each(TOLD_TO_OPERATORS)("%s comes with what to do", async (reason) => {
  const { message } = await told(otaError(reason, "no"));
  expect(message).toMatch(/^no; [a-z].{5,}$/u);
});

it("says when a server that is full may be asked again", async () => {
  const error = otaError("OVERLOADED", "too many calls", { retryAfterMs: 2500 });
  expect((await told(error)).message).toBe("too many calls; try again in 3 s");
});
