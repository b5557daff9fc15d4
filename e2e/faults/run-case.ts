import { FailureCode } from "@nix-ota/proto/nixota/v1/device_pb";

import type { AgentConfig } from "../src/agent-config.ts";
import { nameOf } from "../src/operator.ts";
import type { Bench, Lane } from "./bench.ts";
import type { Case } from "./cases.ts";
import type { Fault } from "./fault.ts";
import { faults } from "./faults.ts";
import { outcomeName, violations, whereIs } from "./invariants.ts";
import type { Ending } from "./picture.ts";
import { releaseFor } from "./releases.ts";
import { Subject } from "./subject.ts";

/** What came of a case. */
export type Result = {
  /** How its attempts ended, oldest first. */
  readonly outcomes: readonly string[];
  /** What is wrong; empty: it passed. */
  readonly complaints: readonly string[];
  /** What the agents printed, for a case that failed. */
  readonly log: string;
};

const REST_MS = 90_000;

/** Does one case on a device of its own: up to the state, the fault, and on until it rests. */
export async function runCase(bench: Bench, lane: Lane, one: Case): Promise<Result> {
  const fault = faults[one.fault];
  const returns = one.state === "rollingBack" || one.state === "stuck";
  const release = fault.release ?? (returns ? "sick" : "good");
  const id = `${one.fault}-${one.state}-${one.order}`.toLowerCase();
  const offer =
    fault.publish === undefined
      ? await lane.offer(release, one.order)
      : await lane.publish(`${id}-${lane.name}`, releaseFor(release, one.order), ...fault.publish);
  // What needs a reboot takes the order `boot` by itself.
  const activation = one.order === "boot" ? "prove-first" : one.order;
  const config: AgentConfig = { ...fault.config, activation };
  await using subject = await Subject.create(bench, lane, id, offer, config);
  try {
    await fault.prepare?.(subject);
    if (one.state === "stuck") await subject.loseTheWayBack();
    await subject.stopAt({ state: one.state, at: fault.at ?? "entered" });
    const healing = await fault.strike?.(subject, one.state);
    if (subject.agentRuns) subject.goOn();
    try {
      if (typeof healing === "function") await subject.suffers(fault.lasts ?? "until it leaves");
    } finally {
      if (typeof healing === "function") await healing();
    }
    await subject.rest(REST_MS);
    const ending = await subject.ending();
    return { outcomes: outcomesOf(ending), complaints: complaintsOf(ending, one), log: ending.log };
  } catch (cause) {
    const complaint = cause instanceof Error ? cause.message : String(cause);
    return { outcomes: [], complaints: [complaint], log: subject.log };
  }
}

function complaintsOf(ending: Ending, one: Case): string[] {
  const { expected } = one;
  const where = whereIs(ending);
  const elsewhere = where === expected ? [] : [`it rests at ${where}, not at ${expected}`];
  return [
    ...violations(ending),
    ...elsewhere,
    ...failedOtherwise(ending, one),
    ...misjudged(ending, one),
  ];
}

function misjudged({ events }: Ending, { fault, state }: Case): string[] {
  const { never }: Fault = faults[fault];
  // A device that is stuck has lost its way back before the fault.
  if (never === undefined || state === "stuck") return [];
  return events.flatMap(({ attempt }) =>
    nameOf(FailureCode, attempt?.failureCode ?? 0) === never
      ? [`attempt ${attempt?.id} failed with ${never} (${attempt?.message})`]
      : [],
  );
}

function failedOtherwise({ events }: Ending, { fault, state }: Case): string[] {
  const { failure, release }: Fault = faults[fault];
  // What is on its way back failed before the fault met it.
  const wanted =
    (state === "rollingBack" || state === "stuck") && release === undefined ? undefined : failure;
  const first = events.find(({ attempt }) => (attempt?.outcome ?? 0) !== 0)?.attempt;
  const code = nameOf(FailureCode, first?.failureCode ?? 0) ?? "nothing";
  return wanted === undefined || [wanted].flat().some((one) => one === code)
    ? []
    : [
        `the first attempt failed with ${code} (${first?.message}), not with ${[wanted].flat().join(" or ")}`,
      ];
}

function outcomesOf({ events }: Ending): string[] {
  return events.flatMap(({ attempt }) =>
    attempt === undefined || attempt.outcome === 0 ? [] : [outcomeName(attempt.outcome)],
  );
}
