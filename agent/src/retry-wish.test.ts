import { expect, test } from "vitest";

import { sampleAttempt } from "./attempt.testkit.ts";
import { initialMachine, step } from "./machine.ts";
import { retryWish } from "./retry-wish.ts";
import { noTrust, withQuarantined, withoutQuarantined } from "./trust.ts";
import type { Quarantined } from "./trust.ts";

const { channel, revision, payloadSha256, storePath } = sampleAttempt;
const shut = (failure: Quarantined["failure"]) =>
  withQuarantined(noTrust, { channel, revision, payloadSha256, storePath, failure });

/** How often a device grants a wish that the server repeats at each poll. */
function grants(failure: Quarantined["failure"], wished = revision): number {
  let [machine, trust, times] = [initialMachine, shut(failure), 0];
  for (; times < 5; times += 1) {
    const event = retryWish(machine, trust, channel, wished);
    if (event === undefined) break;
    machine = step(machine, event)?.machine ?? machine;
    trust = withoutQuarantined(trust, channel, revision);
  }
  return times;
}

test("an operator's retry is granted once, and the offers that follow are heard", () => {
  expect(grants("HEALTH_FAILED")).toBe(1);
});

test("a failure after which nothing lets a revision in is no reason to ask for ever", () => {
  expect(grants("DIGEST_MISMATCH")).toBe(0);
});

test("what is not in quarantine, or was never wished, is granted nothing", () => {
  expect([grants("HEALTH_FAILED", revision + 1), grants("HEALTH_FAILED", 0)]).toEqual([0, 0]);
});

test("a grant that a crash cut short is made good, and one that had its attempt is not given again", () => {
  const granted = { ...initialMachine.tally, payloadSha256, granted: 1 };
  const at = (ends: number) =>
    retryWish(
      { ...initialMachine, tally: { ...granted, ends } },
      shut("HEALTH_FAILED"),
      channel,
      revision,
    );
  expect([at(0)?.on, at(1)]).toEqual(["retryAsked", undefined]);
});
