import { RolloutState, type Rollout } from "@nix-ota/proto/nixota/v1/rollout_pb";

import { countOf, revisionText } from "../amounts.ts";
import { safeText } from "../terminal-text.ts";
import { expectedCount, type Picture } from "./picture.ts";

/** What to do about devices that were offline when the waiting began and are still. */
export type OfflinePolicy = "ignore" | "wait" | "fail";

/** How many failures are let pass: so many devices, or such a share of those that are to take it. */
export type Allowance = { count: number } | { percent: number };

/** What is waited for, and for how long. */
export interface WaitRule {
  timeoutMs: number;
  offline: OfflinePolicy;
  failures: Allowance;
}

/** Whether to go on waiting, or how it ended. */
export type Judgement =
  | { kind: "go-on" }
  | { kind: "healthy"; sentence: string }
  /** The rollout was stopped, or went on to another release. */
  | { kind: "halted"; sentence: string }
  | { kind: "failed"; sentence: string }
  | { kind: "timed-out"; sentence: string };

/** Decides by the picture of one moment. */
export function judge(
  picture: Picture,
  rollout: Rollout | undefined,
  rule: WaitRule,
  elapsedMs: number,
): Judgement {
  const name = `${revisionText(rollout?.revision ?? 0n)} on ${rollout?.channel ?? ""}`;
  const expected = expectedCount(picture);
  const failures = failureCount(picture, rule.offline);
  const allowed =
    "count" in rule.failures
      ? rule.failures.count
      : Math.floor((expected * rule.failures.percent) / 100);
  if (failures > allowed)
    return {
      kind: "failed",
      sentence: `${name} failed on ${failures} of ${countOf(expected, "device")}${allowed > 0 ? `, over the ${allowed} allowed` : ""}; nix-ota device list shows which`,
    };
  const open = picture.busy + picture.outstanding + (rule.offline === "wait" ? picture.offline : 0);
  const stopped = stoppedBy(rollout);
  // That nobody is to take it any more proves nothing about a release that was stopped.
  if (open === 0 && (expected > 0 || stopped === undefined))
    return { kind: "healthy", sentence: healthySentence(name, picture, rule.offline) };
  if (stopped !== undefined)
    return {
      kind: "halted",
      sentence: `${name} ${stopped}, with ${countOf(open, "device")} outstanding`,
    };
  if (elapsedMs >= rule.timeoutMs)
    return {
      kind: "timed-out",
      sentence: `${name} is not on ${countOf(open, "device")} in time; nix-ota device why tells the reason for each`,
    };
  return { kind: "go-on" };
}

function failureCount(picture: Picture, offline: OfflinePolicy): number {
  return picture.failed + picture.silent + (offline === "fail" ? picture.offline : 0);
}

function healthySentence(name: string, picture: Picture, policy: OfflinePolicy): string {
  const expected = expectedCount(picture);
  if (expected === 0) return `${name}: no device is to take it`;
  const rest = [
    ...(picture.failed + picture.silent > 0 ? [`${picture.failed + picture.silent} failed`] : []),
    ...(policy !== "wait" && picture.offline > 0 ? [`${picture.offline} offline`] : []),
  ];
  const but = rest.length === 0 ? "" : `; ${rest.join(", ")}, as allowed`;
  return `${name}: ${picture.healthy} of ${countOf(expected, "device")} healthy${but}`;
}

function stoppedBy(rollout: Rollout | undefined): string | undefined {
  const why = safeText(rollout?.explanation ?? "");
  switch (rollout?.state) {
    case RolloutState.HALTED:
      return `was halted${why === "" ? "" : `: ${why}`}`;
    case RolloutState.ABORTED:
      return "was aborted by an operator";
    case RolloutState.SUPERSEDED:
      return "was superseded: a higher revision took its place";
    default:
      return undefined;
  }
}
