import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { OnAbort, RolloutPlanSchema } from "@nix-ota/proto/nixota/v1/rollout_pb";
import { expect, test } from "vitest";

import { planMessage, readPlan } from "./rollout-plan.ts";

type Plan = MessageInitShape<typeof RolloutPlanSchema>;
const read = (plan: Plan) => readPlan(create(RolloutPlanSchema, plan));
const DAY_S = 86_400n;

test.each<[string, Plan, bigint]>([
  ["nothing said", {}, 3_600_000n],
  ["a minute", { deviceTimeout: { seconds: 60n } }, 60_000n],
  ["a year", { deviceTimeout: { seconds: 365n * DAY_S } }, 31_536_000_000n],
  ["a part of a second", { deviceTimeout: { seconds: 90n, nanos: 500_000_000 } }, 90_500n],
  ["keeping", { onAbort: OnAbort.KEEP }, 3_600_000n],
])("%s is taken", (_title, plan, deviceTimeoutMs) => {
  const taken = read(plan);
  expect(taken).toEqual({ deviceTimeoutMs });
  if ("deviceTimeoutMs" in taken) {
    expect(readPlan(planMessage(taken.deviceTimeoutMs))).toEqual(taken);
  }
});

test.each<[string, Plan, string]>([
  ["waves", { waves: [{ members: { case: "percent", value: 5 } }] }, "unsupported"],
  ["a limit in flight", { maxInFlight: 3 }, "unsupported"],
  ["abort rules", { abortRules: [{ count: 1 }] }, "unsupported"],
  ["reverting", { onAbort: OnAbort.REVERT }, "unsupported"],
  ["a meaning of a later contract", { onAbort: 9 as OnAbort }, "unsupported"],
  ["less than a minute", { deviceTimeout: { seconds: 59n, nanos: 999_000_000 } }, "invalid"],
  ["more than a year", { deviceTimeout: { seconds: 365n * DAY_S + 1n } }, "invalid"],
  ["a time backwards", { deviceTimeout: { seconds: -3600n } }, "invalid"],
])("%s is refused", (_title, plan, kind) => {
  expect(read(plan)).toMatchObject({ kind, sentence: expect.stringMatching(/^[a-z]/) as string });
});
