/** The state that a move leads to, with the data it owns. Pure. */
import type { Attempt, Impasse } from "./attempt.ts";
import type { Event } from "./events.ts";
import type { Failure } from "./failure.ts";
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
              "the boot loader started the previous system; look at the console of the device for why the closure did not boot",
          }
        : {
            code: "REBOOTED",
            message: `the device rebooted into the previous system while ${state.name}`,
          };
    case "bootedNew":
      return {
        code: "REBOOTED",
        message: "the device rebooted twice while the closure had to prove its health",
      };
    case "bootedThird":
      return {
        code: "LINKS_CHANGED",
        message: "the device booted a system that this attempt knows nothing of",
      };
    case "rollbackAsked":
      return { code: "BY_HAND", message: "a person went back by hand" };
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
        plan:
          event.on === "inspected" ? event.plan : state.name === "staged" ? state.plan : undefined,
      };
    case "armed":
      return { name: to, attempt: attemptOf(state, event), plan: planOf(state, event) };
    case "activating":
    case "awaitingReboot":
    case "committing":
      return { name: to, ...under(state, event) };
    case "probation":
      return {
        name: to,
        ...under(state, event),
        boots: (state.name === "probation" ? state.boots : 0) + (event.on === "bootedNew" ? 1 : 0),
      };
    case "rollingBack":
      return state.name === "rollingBack"
        ? {
            ...state,
            reach: undo || state.reach,
            tries: state.tries + (event.on === "unrestored" ? 1 : 0),
          }
        : {
            name: to,
            ...under(state, event),
            failure: failureOf(state, event) ?? missing("failure", state, event),
            reach: undo || missing("reach", state, event),
            ends: ends === "" || ends === "recorded" ? missing("outcome", state, event) : ends,
            tries: 0,
          };
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

/** Without the impasse before it, or the journal would grow with each. */
function impasseOf({ attempt, prev, failure }: Impasse): Impasse {
  const { stuck: _, ...bare } = attempt;
  return { attempt: bare, prev, failure };
}

const planOf = (state: State, event: Event) =>
  ("plan" in event ? event.plan : "plan" in state ? state.plan : undefined) ??
  missing("plan", state, event);

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
