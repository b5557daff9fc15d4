/** How a state ends when its work could not even be done: a tool is missing, a disk is full. Pure. */
import type { Event } from "./events.ts";
import type { Failure } from "./failure.ts";
import type { State, StateName } from "./states.ts";

const eventOf: Record<StateName, (failure: Failure) => Event | undefined> = {
  // Nothing is under way that could end; it is tried again at the next poll.
  idle: () => undefined,
  awaitingReboot: () => undefined,
  stuck: () => undefined,
  accepted: (failure) => ({ on: "unfit", failure }),
  fetching: (failure) => ({ on: "fetchFailed", failure }),
  staged: (failure) => ({ on: "unusable", failure }),
  armed: (failure) => ({ on: "unsecured", failure }),
  activating: (failure) => ({ on: "broken", failure }),
  probation: (failure) => ({ on: "unproven", failure }),
  committing: (failure) => ({ on: "uncommitted", failure }),
  rollingBack: (failure) => ({ on: "unrestored", failure }),
};

export function failureEvent(state: State, failure: Failure): Event | undefined {
  return eventOf[state.name](failure);
}
