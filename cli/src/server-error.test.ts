import { Code, ConnectError } from "@connectrpc/connect";
import { otaError } from "@nix-ota/proto/reason";
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
