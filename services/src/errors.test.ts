import { Code, ConnectError } from "@connectrpc/connect";
import { CODE_OF_REASON, reasonOf, type ReasonName } from "@nix-ota/proto/reason";
import { expect, test } from "vitest";

import { answerTo } from "./errors.ts";
import { OtaError } from "./ota-error.ts";

const SECRET = "password=hunter2";

test("what a handler throws keeps its reason, sentence and details", () => {
  const { error } = answerTo(
    new OtaError("REVISION_STALE", "r1 is below the head", { details: { headRevision: 4n } }),
  );
  expect(reasonOf(error)).toEqual({
    reason: "REVISION_STALE",
    code: Code.FailedPrecondition,
    message: "r1 is below the head",
    headRevision: 4n,
  });
});

test("what the database or a defect says reaches no caller", () => {
  const refused = Object.assign(new Error(SECRET), { code: "ECONNREFUSED" });
  const unique = Object.assign(new Error(SECRET), { code: "23505", constraint: SECRET });
  const thrown = [refused, unique, new TypeError(SECRET), SECRET, new OtaError("INTERNAL", SECRET)];
  const answers = thrown.map(answerTo);
  expect(answers.map(({ error, level }) => [reasonOf(error)?.reason, level])).toEqual([
    ["DATABASE_UNAVAILABLE", "error"],
    ["INTERNAL", "error"],
    ["INTERNAL", "error"],
    ["INTERNAL", "error"],
    ["INTERNAL", "error"],
  ]);
  for (const { error } of answers) expect(error.message).not.toContain(SECRET);
});

test("every reason of the contract has a sentence and a level", () => {
  for (const kind of Object.keys(CODE_OF_REASON) as ReasonName[]) {
    const { error, level } = answerTo(new OtaError(kind, "said"));
    expect(reasonOf(error)).toMatchObject({ reason: kind, code: CODE_OF_REASON[kind] });
    expect(["debug", "info", "warn", "error"]).toContain(level);
  }
});

test("an error made for the caller stays as it is", () => {
  const made = new ConnectError("a filter is one term", Code.InvalidArgument);
  expect(answerTo(made).error).toBe(made);
});
