/** The state that a move leads to, with the data it owns. Pure. */
import type { Attempt, Impasse, Plan } from "./attempt.ts";
import type { Event } from "./events.ts";
import type { Failure } from "./failure.ts";
import { firstWayBack } from "./first-way-back.ts";
import type { Outcome } from "./outcome.ts";
import type { Reach, State, StateName } from "./states.ts";

/** What failed, for events that carry a failure and for reboots, which are one by themselves. */
export function failureOf(state: State, event: Event): Failure | undefined {
  if ("failure" in event) return event.failure;
  switch (event.on) {
    case "bootedPrev":
      return state.name === "awaitingReboot"
        ? {
            code: "BOOT_FELL_BACK",
            message:
              "the boot loader started the previous system; look at the console of the device for why the closure did not boot, and let it in again with `nix-ota device retry` where only its power failed",
          }
        : {
            code: "REBOOTED",
            message: `the device rebooted into the previous system while ${state.name}; it tries once more by itself, so look whether its power holds`,
          };
    case "bootedNew":
      return {
        code: "REBOOTED",
        message:
          "the device rebooted twice while the closure had to prove its health; look at its journal for why, and publish a higher revision",
      };
    case "fellBack":
      return {
        code: "BOOT_FELL_BACK",
        message:
          "the boot loader started the system from before instead of the committed closure; look at the console of the device for why its kernel did not boot, and let it in again with `nix-ota device retry` where only its power failed",
      };
    case "bootedThird":
      return {
        code: "LINKS_CHANGED",
        message:
          "the device booted a system that this attempt knows nothing of; where that was meant the next release takes over again",
      };
    case "rollbackAsked":
      return {
        code: "BY_HAND",
        message:
          "a person went back by hand; publish a higher revision, or let it in again with `nix-ota device retry`",
      };
    default:
      return undefined;
  }
}

export function enter(
  to: StateName,
  state: State,
  event: Event,
  ends: Outcome | "recorded" | "",
  undo: Reach | "",
): State {
  switch (to) {
    case "idle":
      return { name: to };
    case "accepted":
      return { name: to, attempt: attemptOf(state, event) };
    case "fetching":
      return {
        name: to,
        attempt: attemptOf(state, event),
        tries: state.name === "fetching" ? state.tries + (event.on === "held" ? 0 : 1) : 0,
      };
    case "staged":
      return {
        name: to,
        attempt: attemptOf(state, event),
        plan: inspectedPlan(state, event),
      };
    case "armed":
      return { name: to, attempt: attemptOf(state, event), plan: planOf(state, event) };
    case "activating":
    case "awaitingReboot":
    case "committing":
      return { name: to, ...under(state, event) };
    case "probation":
      return { name: to, ...under(state, event), boots: bootsAfter(state, event) };
    case "rollingBack":
      return state.name === "rollingBack"
        ? returnAgain(state, event, undo)
        : beginReturn(state, event, ends, undo);
    case "stuck":
      if (state.name === "stuck") return state;
      return {
        name: to,
        attempt: attemptOf(state, event),
        prev: under(state, event).prev,
        failure: failureOf(state, event) ?? missing("failure", state, event),
      };
  }
}

/** Reboots in the middle of a probation. The one by which a closure, or its kernel, came up is none. */
function bootsAfter(state: State, event: Event): number {
  if (state.name === "awaitingReboot" || state.name === "committing" || event.on !== "bootedNew")
    return 0;
  return state.name === "probation" ? state.boots + 1 : 1;
}

type Return = Extract<State, { readonly name: "rollingBack" }>;

const takesReboot = (reach: Reach) => (reach === "boot" || reach === "reboot" ? 1 : 0);

function beginReturn(
  state: State,
  event: Event,
  ends: Outcome | "recorded" | "",
  undo: Reach | "",
): Return {
  const failure = failureOf(state, event);
  const reach = undo || missing("reach", state, event);
  return {
    name: "rollingBack",
    // What is undone must be what the attempt was at, not the newer one that takes its place.
    ...(event.on === "superseded" ? under(state, { on: "bootedPrev" }) : under(state, event)),
    ...(failure === undefined ? {} : { failure }),
    reach,
    ends: ends === "" || ends === "recorded" ? missing("outcome", state, event) : ends,
    tries: 0,
    reboots: takesReboot(reach),
  };
}

function returnAgain(state: Return, event: Event, undo: Reach | ""): Return {
  return {
    ...state,
    reach: undo || state.reach,
    tries: state.tries + (event.on === "unrestored" ? 1 : 0),
    reboots: state.reboots + (undo === "" ? 0 : takesReboot(undo)),
  };
}

function attemptOf(state: State, event: Event): Attempt {
  if (!("attempt" in event))
    return "attempt" in state ? state.attempt : missing("attempt", state, event);
  const stuck =
    state.name === "stuck"
      ? impasseOf(state)
      : "attempt" in state
        ? state.attempt.stuck
        : undefined;
  return stuck === undefined ? event.attempt : { ...event.attempt, stuck };
}

/**
 * Without the impasse before it, or the journal would grow with each; but for the way back, which is
 * that of the first: later ones lead to what failed.
 */
function impasseOf(impasse: Impasse): Impasse {
  const { stuck: _, ...bare } = impasse.attempt;
  return { attempt: bare, prev: firstWayBack(impasse), failure: impasse.failure };
}

function inspectedPlan(state: State, event: Event): Plan | undefined {
  if (event.on === "inspected") return event.plan;
  return state.name === "staged" && event.on !== "stale" ? state.plan : undefined;
}

function planOf(state: State, event: Event): Plan {
  const plan = "plan" in event ? event.plan : "plan" in state ? state.plan : undefined;
  if (plan === undefined) return missing("plan", state, event);
  if (event.on === "inhibited") return { ...plan, order: "boot" };
  if (event.on !== "bootedNew" && event.on !== "firstBoot") return plan;
  // What a reboot was required for has been booted, by entries that only a reboot takes back.
  const order = state.name === "committing" && plan.rebootRequired ? "boot" : plan.order;
  return { ...plan, order, rebootRequired: false };
}

const under = (state: State, event: Event) => ({
  attempt: attemptOf(state, event),
  plan: planOf(state, event),
  prev:
    "prev" in event ? event.prev : "prev" in state ? state.prev : missing("way back", state, event),
});

/** A row that leads to a state whose data nobody has is a defect of the table; its test finds it. */
function missing(what: string, state: State, event: Event): never {
  throw new Error(`no ${what} on the way from ${state.name} by ${event.on}`);
}
