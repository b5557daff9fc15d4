import { create, fromJson, toJson } from "@bufbuild/protobuf";
import { AgentState, FailureCode, Outcome, ReportSchema } from "@nix-ota/proto/nixota/v1/device_pb";
import { expect, test } from "vitest";

import { fromWords, inWords } from "./plain-words.ts";

const REPORT = create(ReportSchema, {
  deviceId: "gw-1",
  state: AgentState.ROLLING_BACK,
  attempt: { id: "a1b2c3d4", outcome: Outcome.ROLLED_BACK, elapsed: { seconds: 3n } },
  events: [
    { id: "e1", attempt: { outcome: Outcome.APPLIED, failureCode: FailureCode.UNSPECIFIED } },
  ],
});

test("states and outcomes are words, at every depth, and come back as they were", () => {
  const plain = inWords(ReportSchema, toJson(ReportSchema, REPORT));
  expect(plain).toMatchObject({
    deviceId: "gw-1",
    state: "rolling_back",
    attempt: { outcome: "rolled_back", elapsed: "3s" },
    events: [{ attempt: { outcome: "applied" } }],
  });
  expect(fromJson(ReportSchema, fromWords(ReportSchema, plain) as never)).toEqual(REPORT);
});

test("names of the contract, numbers and words that are none are left to it", () => {
  const given = {
    device_id: "x",
    state: "AGENT_STATE_IDLE",
    attempt: { outcome: 2 },
    events: [{ attempt: { outcome: "cooked" } }],
    more: { state: "idle" },
  };
  expect(fromWords(ReportSchema, given)).toEqual(given);
  expect(fromWords(ReportSchema, { attempt: { outcome: "rolled_back" } })).toEqual({
    attempt: { outcome: "OUTCOME_ROLLED_BACK" },
  });
});
