import { expect, test } from "vitest";

import { sampleAttempt, sampleWayBack } from "./attempt.testkit.ts";
import { initialMachine, step } from "./machine.ts";

test("a device that is stuck keeps its first way back, however many releases fail there", () => {
  const failure = { code: "ROLLBACK_FAILED", message: "it could not be activated" } as const;
  const first = { attempt: sampleAttempt, prev: sampleWayBack, failure };
  const second = {
    attempt: { ...sampleAttempt, id: "second", storePath: "/nix/store/r2", stuck: first },
    prev: { ...sampleWayBack, running: sampleAttempt.storePath },
    failure,
  };
  const third = { ...sampleAttempt, id: "third", revision: 3 };
  const stuck = { ...initialMachine, state: { name: "stuck", ...second } } as const;
  const tried = step(stuck, { on: "accepted", attempt: third })?.machine;
  const { stuck: _, ...bare } = second.attempt;
  expect(tried?.state).toMatchObject({
    attempt: { id: "third", stuck: { attempt: bare, prev: sampleWayBack } },
  });
  const gone = tried && step(tried, { on: "withdrawn", code: "EXPIRED", message: "it expired" });
  expect(gone?.machine.state).toEqual({
    name: "stuck",
    attempt: bare,
    prev: sampleWayBack,
    failure,
  });
});
