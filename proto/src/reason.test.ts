import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "vitest";

import { CheckinService } from "../gen/nixota/v1/checkin_service_pb.ts";
import { ErrorDetailSchema, ErrorReason } from "../gen/nixota/v1/error_pb.ts";
import { RejectCode } from "../gen/nixota/v1/manifest_pb.ts";
import { CODE_OF_REASON, otaError, reasonOf, type ReasonName } from "./reason.ts";
import { rejectCodeName } from "./reject-code.ts";

const reasons = Object.keys(CODE_OF_REASON) as ReasonName[];

/** What a client catches when a server throws `thrown`: over the wire and back. */
async function caught(thrown: Error): Promise<unknown> {
  const transport = createRouterTransport(({ rpc }) => {
    rpc(CheckinService.method.createChallenge, () => {
      throw thrown;
    });
  });
  try {
    return await createClient(CheckinService, transport).createChallenge({ deviceId: "a" });
  } catch (error) {
    return error;
  }
}

test("every reason of the contract has the Connect code that the contract says", () => {
  const contract = readFileSync(
    resolve(import.meta.dirname, "..", "nixota", "v1", "error.proto"),
    "utf8",
  );
  const said = contract.matchAll(/\(([A-Z_]+)\)\.\n  ERROR_REASON_([A-Z_]+) = \d+;/g);
  const codes = Object.fromEntries([...said].map(([, code, reason]) => [reason, code]));
  const table = Object.entries(CODE_OF_REASON).map(([reason, code]) => {
    return [reason, Code[code].replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase()];
  });
  expect(Object.fromEntries(table)).toEqual(codes);
  expect(reasons.toSorted()).toEqual(
    Object.keys(ErrorReason)
      .filter((name) => name !== "UNSPECIFIED")
      .toSorted(),
  );
});

test.each(reasons)("%s reaches the caller with code and sentence", async (reason) => {
  expect(reasonOf(await caught(otaError(reason, "say why")))).toEqual({
    reason,
    code: CODE_OF_REASON[reason],
    message: "say why",
  });
});

test("details reach the caller, the cause does not", async () => {
  const cause = new Error("relation does not exist");
  const thrown = otaError("MANIFEST_REJECTED", "no", {
    rejectCode: "REPLAY",
    headRevision: 43n,
    retryAfterMs: 1_500,
    cause,
  });
  const received = await caught(thrown);
  expect(thrown.cause).toBe(cause);
  expect(reasonOf(received)).toEqual({
    reason: "MANIFEST_REJECTED",
    code: Code.InvalidArgument,
    message: "no",
    rejectCode: "REPLAY",
    headRevision: 43n,
    retryAfterMs: 1_500,
  });
  expect(String((received as ConnectError).cause)).not.toContain("relation");
});

test("errors without a detail, and reasons of a later server, say nothing", () => {
  const later = new ConnectError("later", Code.Aborted, undefined, [
    { desc: ErrorDetailSchema, value: create(ErrorDetailSchema, { reason: 999 as ErrorReason }) },
  ]);
  expect([
    reasonOf(new ConnectError("proxy", Code.Unavailable)),
    reasonOf(new Error("socket")),
    reasonOf(undefined),
    reasonOf(later),
  ]).toEqual([undefined, undefined, undefined, undefined]);
});

test("every reject code has its name, and unknown numbers have none", () => {
  const { UNSPECIFIED, ...named } = RejectCode;
  expect(Object.values(named).map(rejectCodeName)).toEqual(Object.keys(named));
  expect([rejectCodeName(UNSPECIFIED), rejectCodeName(99 as RejectCode)]).toEqual([
    undefined,
    undefined,
  ]);
});
