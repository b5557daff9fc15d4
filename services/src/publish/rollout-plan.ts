import { create } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { OnAbort, RolloutPlanSchema, type RolloutPlan } from "@nix-ota/proto/nixota/v1/rollout_pb";

/** What this server keeps of a plan. */
export interface StoredPlan {
  /** How long a device may be silent after it was offered the release; a minute to a year. */
  readonly deviceTimeoutMs: bigint;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const YEAR_MS = 365 * 24 * HOUR_MS;

/** A plan that is not taken, and why. */
export interface PlanRefusal {
  /** `unsupported`: this server cannot follow it. `invalid`: nobody could. */
  readonly kind: "unsupported" | "invalid";
  readonly sentence: string;
}

/**
 * What a plan comes to. A part that cannot be followed refuses the plan: left
 * out, it would offer to all devices at once what was meant for some.
 */
export function readPlan(plan: RolloutPlan): StoredPlan | PlanRefusal {
  const beyond = beyondThisServer(plan);
  if (beyond !== undefined) {
    return {
      kind: "unsupported",
      sentence: `this server rolls out to all devices at once; leave ${beyond} out of the plan`,
    };
  }
  const timeoutMs = plan.deviceTimeout === undefined ? HOUR_MS : durationMs(plan.deviceTimeout);
  if (timeoutMs < MINUTE_MS || timeoutMs > YEAR_MS) {
    return {
      kind: "invalid",
      sentence: "the device timeout of the plan has to be a minute to a year",
    };
  }
  return { deviceTimeoutMs: BigInt(Math.round(timeoutMs)) };
}

function beyondThisServer(plan: RolloutPlan): string | undefined {
  if (plan.waves.length > 0) return "the waves";
  if (plan.maxInFlight > 0) return "the limit of devices in flight";
  if (plan.abortRules.length > 0) return "the abort rules";
  // Keeping is what happens without an abort.
  if (plan.onAbort > OnAbort.KEEP) return "what abort means";
  return undefined;
}

/** The contract's RolloutPlan. */
export function planMessage(deviceTimeoutMs: bigint): RolloutPlan {
  return create(RolloutPlanSchema, { deviceTimeout: durationFromMs(Number(deviceTimeoutMs)) });
}
