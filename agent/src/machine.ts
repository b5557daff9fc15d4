/**
 * The whole machine: which event moves which state where, how an attempt ends, and where each state
 * goes on after a crash. Pure: no clock, no disk, no processes; `effects.ts` says what a state does.
 *
 * In the order `prove-first`, profile and boot loader move only in `committing`: until then a power
 * cut boots the old system with none of this code running.
 */
import type { Attempt, FirstBoot, Order } from "./attempt.ts";
import type { Event, EventName } from "./events.ts";
import { copyTries, failureTraits } from "./failure.ts";
import type { Failure } from "./failure.ts";
import { enter, failureOf } from "./next-state.ts";
import type { Outcome } from "./outcome.ts";
import type { Reach, State, StateName } from "./states.ts";
import { begin, deservesQuarantine, emptyTally, takeBack } from "./tally.ts";
import type { Tally } from "./tally.ts";

/** Returns to the previous system before a device gives up and says so. */
export const ROLLBACK_TRIES = 3;

/** Reboots that a return may take: one by which it returns, if it has to, and one when all else failed. */
const returnReboots = (state: State) => (inOrder(state, "boot") ? 2 : 1);

const inOrder = (state: State, order: Order) => "plan" in state && state.plan?.order === order;

type Guard = keyof typeof guards;

const guards = {
  "": () => true,
  proveFirst: (state: State) => inOrder(state, "prove-first"),
  bootOrder: (state: State) => inOrder(state, "boot"),
  inspected: (state: State) => state.name === "staged" && state.plan !== undefined,
  tryLeft: (state: State, event: Event) =>
    state.name === "fetching" &&
    event.on === "fetchFailed" &&
    // What is wrong with a bundle stays wrong, and whoever brought it waits for the answer.
    state.attempt.bundled !== true &&
    state.tries + 1 < copyTries[failureTraits[event.failure.code].copies],
  returnLeft: (state: State) => state.name === "rollingBack" && state.tries + 1 < ROLLBACK_TRIES,
  rebootLeft: (state: State) =>
    state.name === "rollingBack" && state.reboots < returnReboots(state),
  byReboot: (state: State) => state.name === "rollingBack" && state.reach === "boot",
  rebootsBack: (state: State) => guards.bootOrder(state) && guards.rebootLeft(state),
  kernelUnseen: (state: State) => state.name === "committing" && state.plan.rebootRequired,
  bootLeft: (state: State) => state.name === "probation" && state.boots === 0,
};

/**
 * An attempt that began while the device was stuck leads back there instead of to idle, unless it is
 * applied. `ends`: how the attempt ends with this move, or will end once the device is back. `recorded`: as
 * the state says. `undo`: how far rolling back has to reach.
 */
type Row = readonly [
  from: StateName,
  on: EventName,
  when: Guard,
  to: StateName,
  ends: Outcome | "recorded" | "",
  undo: Reach | "",
];

// oxfmt-ignore
export const table: readonly Row[] = [
  // from             on               when          to                ends               undo
  ["idle",           "accepted",      "",           "accepted",       "",                ""],
  ["idle",           "adopted",       "",           "committing",     "",                ""],
  ["idle",           "firstBoot",     "",           "probation",      "",                ""],
  ["idle",           "fellBack",      "",           "rollingBack",    "rolled_back",     "profile"],
  ["idle",           "bootedThird",   "",           "idle",           "",                ""],
  ["idle",           "unprovenRuns",  "",           "probation",      "",                ""],
  ["idle",           "quarantinedRuns", "",         "rollingBack",    "rolled_back",     "all"],
  ["idle",           "rollbackAsked", "",           "rollingBack",    "rolled_back",     "all"],
  ["idle",           "retryAsked",    "",           "idle",           "",                ""],

  ["accepted",       "fit",           "",           "fetching",       "",                ""],
  ["accepted",       "unfit",         "",           "idle",           "failed",          ""],
  ["accepted",       "superseded",    "",           "accepted",       "superseded",      ""],
  ["accepted",       "withdrawn",     "",           "idle",           "rejected",        ""],
  ["accepted",       "setAside",      "",           "idle",           "interrupted",     ""],

  ["fetching",       "fetched",       "",           "staged",         "",                ""],
  ["fetching",       "fetchFailed",   "tryLeft",    "fetching",       "",                ""],
  ["fetching",       "fetchFailed",   "",           "idle",           "failed",          ""],
  ["fetching",       "held",          "",           "fetching",       "",                ""],
  ["fetching",       "superseded",    "",           "accepted",       "superseded",      ""],
  ["fetching",       "withdrawn",     "",           "idle",           "rejected",        ""],
  ["fetching",       "setAside",      "",           "idle",           "interrupted",     ""],

  ["staged",         "inspected",     "",           "staged",         "",                ""],
  ["staged",         "unusable",      "",           "idle",           "failed",          ""],
  ["staged",         "cleared",       "inspected",  "armed",          "",                ""],
  ["staged",         "cleared",       "",           "staged",         "",                ""],
  ["staged",         "stale",         "",           "staged",         "",                ""],
  ["staged",         "held",          "",           "staged",         "",                ""],
  ["staged",         "superseded",    "",           "accepted",       "superseded",      ""],
  ["staged",         "withdrawn",     "",           "idle",           "rejected",        ""],
  ["staged",         "setAside",      "",           "idle",           "interrupted",     ""],

  ["armed",          "secured",       "",           "activating",     "",                ""],
  ["armed",          "unsecured",     "",           "idle",           "failed",          ""],
  ["armed",          "overdue",       "",           "idle",           "failed",          ""],
  ["armed",          "bootedPrev",    "",           "idle",           "interrupted",     ""],
  ["armed",          "bootedNew",     "",           "idle",           "external_change", ""],
  ["armed",          "bootedThird",   "",           "idle",           "external_change", ""],

  ["activating",     "activated",     "",           "probation",      "",                ""],
  ["activating",     "inhibited",     "",           "activating",     "",                ""],
  ["activating",     "needsReboot",   "",           "awaitingReboot", "",                ""],
  ["activating",     "untouched",     "proveFirst", "idle",           "failed",          ""],
  ["activating",     "untouched",     "",           "rollingBack",    "failed",          "profile"],
  ["activating",     "broken",        "proveFirst", "rollingBack",    "rolled_back",     "live"],
  ["activating",     "broken",        "bootOrder",  "rollingBack",    "failed",          "profile"],
  ["activating",     "broken",        "",           "rollingBack",    "rolled_back",     "all"],
  ["activating",     "linksChanged",  "",           "idle",           "external_change", ""],
  ["activating",     "overdue",       "proveFirst", "rollingBack",    "rolled_back",     "live"],
  ["activating",     "overdue",       "bootOrder",  "rollingBack",    "failed",          "profile"],
  ["activating",     "overdue",       "",           "rollingBack",    "rolled_back",     "all"],
  ["activating",     "bootedPrev",    "proveFirst", "idle",           "interrupted",     ""],
  ["activating",     "bootedPrev",    "",           "rollingBack",    "interrupted",     "profile"],
  ["activating",     "bootedNew",     "",           "probation",      "",                ""],
  ["activating",     "bootedThird",   "",           "idle",           "external_change", ""],

  ["awaitingReboot", "superseded",    "",           "rollingBack",    "superseded",      "profile"],
  ["awaitingReboot", "rollbackAsked", "",           "rollingBack",    "rolled_back",     "profile"],
  ["awaitingReboot", "linksChanged",  "",           "idle",           "external_change", ""],
  ["awaitingReboot", "bootedPrev",    "",           "rollingBack",    "rolled_back",     "profile"],
  ["awaitingReboot", "bootedNew",     "",           "probation",      "",                ""],
  ["awaitingReboot", "bootedThird",   "",           "idle",           "external_change", ""],

  ["probation",      "proven",        "",           "committing",     "",                ""],
  ["probation",      "unproven",      "proveFirst", "rollingBack",    "rolled_back",     "live"],
  ["probation",      "unproven",      "bootOrder",  "rollingBack",    "rolled_back",     "boot"],
  ["probation",      "unproven",      "",           "rollingBack",    "rolled_back",     "all"],
  ["probation",      "linksChanged",  "",           "idle",           "external_change", ""],
  ["probation",      "overdue",       "proveFirst", "rollingBack",    "rolled_back",     "live"],
  ["probation",      "overdue",       "bootOrder",  "rollingBack",    "rolled_back",     "boot"],
  ["probation",      "overdue",       "",           "rollingBack",    "rolled_back",     "all"],
  ["probation",      "bootedPrev",    "proveFirst", "idle",           "interrupted",     ""],
  ["probation",      "bootedPrev",    "",           "rollingBack",    "interrupted",     "profile"],
  ["probation",      "bootedNew",     "bootLeft",   "probation",      "",                ""],
  ["probation",      "bootedNew",     "bootOrder",  "rollingBack",    "rolled_back",     "boot"],
  ["probation",      "bootedNew",     "",           "rollingBack",    "rolled_back",     "all"],
  ["probation",      "bootedThird",   "",           "idle",           "external_change", ""],

  ["committing",     "committed",     "",           "idle",           "applied",         ""],
  ["committing",     "uncommitted",   "bootOrder",  "rollingBack",    "rolled_back",     "boot"],
  ["committing",     "uncommitted",   "",           "rollingBack",    "rolled_back",     "all"],
  ["committing",     "linksChanged",  "",           "idle",           "external_change", ""],
  ["committing",     "overdue",       "bootOrder",  "rollingBack",    "rolled_back",     "boot"],
  ["committing",     "overdue",       "",           "rollingBack",    "rolled_back",     "all"],
  ["committing",     "bootedPrev",    "",           "rollingBack",    "interrupted",     "profile"],
  ["committing",     "bootedNew",     "kernelUnseen", "probation",    "",                ""],
  ["committing",     "bootedNew",     "",           "committing",     "",                ""],
  ["committing",     "bootedThird",   "",           "idle",           "external_change", ""],

  ["rollingBack",    "restored",      "",           "idle",           "recorded",        ""],
  ["rollingBack",    "unrestored",    "byReboot",   "rollingBack",    "recorded",        "all"],
  ["rollingBack",    "unrestored",    "returnLeft", "rollingBack",    "recorded",        ""],
  ["rollingBack",    "unrestored",    "rebootLeft", "rollingBack",    "recorded",        "reboot"],
  ["rollingBack",    "unrestored",    "",           "stuck",          "failed",          ""],
  ["rollingBack",    "inhibited",     "rebootLeft", "rollingBack",    "recorded",        "boot"],
  ["rollingBack",    "inhibited",     "",           "stuck",          "failed",          ""],
  ["rollingBack",    "prevGone",      "",           "stuck",          "failed",          ""],
  ["rollingBack",    "linksChanged",  "",           "idle",           "external_change", ""],
  ["rollingBack",    "bootedPrev",    "",           "rollingBack",    "recorded",        "profile"],
  ["rollingBack",    "bootedNew",     "rebootsBack", "rollingBack",   "recorded",        "boot"],
  ["rollingBack",    "bootedNew",     "",           "rollingBack",    "recorded",        "all"],
  ["rollingBack",    "bootedThird",   "",           "idle",           "external_change", ""],

  ["stuck",          "accepted",      "",           "accepted",       "",                ""],
  ["stuck",          "adopted",       "",           "committing",     "",                ""],
  ["stuck",          "unprovenRuns",  "",           "probation",      "",                ""],
  ["stuck",          "repaired",      "",           "idle",           "",                ""],
  ["stuck",          "rollbackAsked", "",           "rollingBack",    "rolled_back",     "all"],
  ["stuck",          "retryAsked",    "",           "stuck",          "",                ""],
];

const every: readonly StateName[] = [
  "idle",
  "accepted",
  "fetching",
  "staged",
  "armed",
  "activating",
  "awaitingReboot",
  "probation",
  "committing",
  "rollingBack",
  "stuck",
];

const allBut = (...names: StateName[]) => every.filter((name) => !names.includes(name));

/** Events that change nothing, each with the reason why that is safe. */
// oxfmt-ignore
export const ignored: readonly (readonly [on: EventName, reason: string, states: readonly StateName[]])[] = [
  ["accepted",      "one attempt at a time; the next poll brings it again",       allBut("idle", "stuck")],
  ["adopted",       "one attempt at a time; the next poll brings it again",       allBut("idle", "stuck")],
  ["superseded",    "from armed on the attempt runs to its end first",            allBut("accepted", "fetching", "staged", "awaitingReboot")],
  ["withdrawn",     "from armed on the attempt runs to its end first",            allBut("accepted", "fetching", "staged")],
  ["fit",           "answer of work that was given up",                           allBut("accepted")],
  ["unfit",         "answer of work that was given up",                           allBut("accepted")],
  ["fetched",       "answer of work that was given up",                           allBut("fetching")],
  ["fetchFailed",   "answer of work that was given up",                           allBut("fetching")],
  ["inspected",     "answer of work that was given up",                           allBut("staged")],
  ["unusable",      "answer of work that was given up",                           allBut("staged")],
  ["stale",         "answer of work that was given up",                           allBut("staged")],
  ["cleared",       "answer of work that was given up",                           allBut("staged")],
  ["held",          "nothing else waits for leave",                               allBut("fetching", "staged")],
  ["secured",       "answer of work that was given up",                           allBut("armed")],
  ["unsecured",     "answer of work that was given up",                           allBut("armed")],
  ["activated",     "answer of work that was given up",                           allBut("activating")],
  ["inhibited",     "answer of work that was given up",                           allBut("activating", "rollingBack")],
  ["needsReboot",   "answer of work that was given up",                           allBut("activating")],
  ["untouched",     "answer of work that was given up",                           allBut("activating")],
  ["broken",        "answer of work that was given up",                           allBut("activating")],
  ["proven",        "answer of work that was given up",                           allBut("probation")],
  ["unproven",      "answer of work that was given up",                           allBut("probation")],
  ["committed",     "answer of work that was given up",                           allBut("committing")],
  ["uncommitted",   "answer of work that was given up",                           allBut("committing")],
  ["restored",      "answer of work that was given up",                           allBut("rollingBack")],
  ["unrestored",    "answer of work that was given up",                           allBut("rollingBack")],
  ["prevGone",      "answer of work that was given up",                           allBut("rollingBack")],
  ["linksChanged",  "nothing of ours runs; drift is reported, never fought",      ["idle", "accepted", "fetching", "staged", "armed", "stuck"]],
  ["overdue",       "nothing was touched that would have to be undone",           ["idle", "accepted", "fetching", "staged"]],
  ["overdue",       "a person reboots when it suits",                             ["awaitingReboot"]],
  ["overdue",       "the return is under way, or over: it is only taken up",      ["rollingBack", "stuck"]],
  ["bootedPrev",    "nothing was touched before the reboot",                      ["idle", "accepted", "fetching", "staged"]],
  ["bootedNew",     "nothing was touched before the reboot",                      ["idle", "accepted", "fetching", "staged"]],
  ["bootedThird",   "nothing was touched before the reboot",                      ["accepted", "fetching", "staged"]],
  ["bootedPrev",    "a stuck device looks at its links by itself",                ["stuck"]],
  ["bootedNew",     "a stuck device looks at its links by itself",                ["stuck"]],
  ["bootedThird",   "a stuck device looks at its links by itself",                ["stuck"]],
  ["setAside",      "from armed on the links decide what a reboot did",           allBut("accepted", "fetching", "staged")],
  ["firstBoot",     "the attempt under way decides first; idle looks again",      allBut("idle")],
  ["fellBack",      "the attempt under way decides first; idle looks again",      allBut("idle")],
  ["unprovenRuns",  "the attempt under way proves it",                            allBut("idle", "stuck")],
  ["quarantinedRuns", "the attempt under way, or the impasse, knows the way back", allBut("idle")],
  ["repaired",      "nothing was broken",                                         allBut("stuck")],
  ["rollbackAsked", "the attempt under way decides first; the command says so",   allBut("idle", "stuck", "awaitingReboot")],
  ["retryAsked",    "the attempt under way decides first; the command says so",   allBut("idle", "stuck")],
];

/**
 * Where a state goes on when the agent starts.
 *
 * - `again`: does its work once more; all of it is repeatable or adopts what still runs.
 * - `anew`: the same, but inspects the closure's contents first.
 * - `links`: which system was booted decides.
 * - `first boot, ..`: the first boot of a committed closure comes before the attempt.
 * - `record`, before either: a trust record that names the attempt leaves only the way forward.
 */
export type Resumption =
  | "again"
  | "anew"
  | "links"
  | "first boot, again"
  | "first boot, anew"
  | "record, again"
  | "record, links";

// oxfmt-ignore
export const resumption: Record<StateName, { readonly sameBoot: Resumption; readonly afterReboot: Resumption }> = {
  idle:           { sameBoot: "again",         afterReboot: "again"         },
  accepted:       { sameBoot: "again",         afterReboot: "first boot, again" },
  fetching:       { sameBoot: "again",         afterReboot: "first boot, again" },
  staged:         { sameBoot: "anew",          afterReboot: "first boot, anew"  },
  armed:          { sameBoot: "again",         afterReboot: "links"         },
  activating:     { sameBoot: "again",         afterReboot: "links"         },
  awaitingReboot: { sameBoot: "again",         afterReboot: "links"         },
  probation:      { sameBoot: "again",         afterReboot: "links"         },
  committing:     { sameBoot: "record, again", afterReboot: "record, links" },
  rollingBack:    { sameBoot: "again",         afterReboot: "links"         },
  stuck:          { sameBoot: "again",         afterReboot: "again"         },
};

/** What the journal keeps of the machine. */
export interface Machine {
  readonly state: State;
  readonly tally: Tally;
  /** Committed, but for the first boot of its kernel. */
  readonly firstBoot?: FirstBoot;
}

export const initialMachine: Machine = { state: { name: "idle" }, tally: emptyTally };

/** How an attempt ended. */
export interface Ending {
  readonly attempt: Attempt;
  readonly outcome: Outcome;
  readonly failure: Failure | undefined;
  /** The event that ended it, for `withdrawn` and `superseded`, which are no failures. */
  readonly by: Event;
  readonly rebootRequired: boolean;
  /** Whether the revision must not be tried again by itself. */
  readonly quarantine: boolean;
}

/** What an event did. */
export interface Step {
  readonly machine: Machine;
  /** Set when an attempt ended with it. */
  readonly ending: Ending | undefined;
}

/** Moves the machine; undefined: the event is one to ignore in this state. */
export function step(machine: Machine, event: Event): Step | undefined {
  const { state } = machine;
  const row = table.find(
    ([from, on, when]) => from === state.name && on === event.on && guards[when](state, event),
  );
  if (row === undefined) return undefined;
  const [, , , to, ends, undo] = row;
  const tally = count(machine.tally, state, event, to);
  const ending = to === "rollingBack" ? undefined : endOf(state, event, ends, tally);
  const next = backToImpasse(enter(to, state, event, ends, undo), ending);
  const firstBoot = firstBootAfter(machine, event, ending);
  return {
    machine: {
      state: next,
      tally: ending === undefined ? tally : countEnd(tally, ending, next, firstBoot !== undefined),
      ...(firstBoot === undefined ? {} : { firstBoot }),
    },
    ending,
  };
}

/** What still has to be booted for the first time: it is so until that boot, or until another commit. */
function firstBootAfter(
  { state, firstBoot }: Machine,
  event: Event,
  ending: Ending | undefined,
): FirstBoot | undefined {
  if (event.on === "firstBoot" || event.on === "fellBack") return undefined;
  // A person leaves what is committed; what waits for its own reboot is left without touching that.
  if (event.on === "rollbackAsked" && state.name !== "awaitingReboot") return undefined;
  if (event.on === "bootedThird" && state.name === "idle") return undefined;
  if (event.on !== "committed" || state.name !== "committing") return firstBoot;
  const { attempt, plan } = state;
  // Of several commits without a reboot, the way back is the system that was booted.
  const prev = firstBoot?.prev ?? state.prev;
  if (ending?.rebootRequired !== true || prev.running === attempt.storePath) return undefined;
  return { attempt, plan: { ...plan, order: "boot" }, prev, bootId: event.bootId };
}

/**
 * A newer revision may free a stuck device. If it does not, the device is as stuck as before: idle
 * would hide that. What somebody else switched to is looked at there.
 */
function backToImpasse(next: State, ending: Ending | undefined): State {
  const stuck = ending?.attempt.stuck;
  if (next.name !== "idle" || stuck === undefined || ending?.outcome === "applied") return next;
  return { name: "stuck", ...stuck };
}

function count(tally: Tally, state: State, event: Event, to: StateName): Tally {
  if (event.on === "retryAsked") return { ...tally, granted: 1, ends: 0 };
  if (to === "activating" && state.name !== "activating")
    return { ...tally, activations: tally.activations + 1 };
  if ("attempt" in event && to !== "rollingBack") return begin(tally, event.attempt.payloadSha256);
  // The tools of the device kept it from beginning: that was no activation.
  if (event.on === "untouched" && event.failure.code === "TOOL_FAILED")
    return { ...tally, activations: tally.activations - 1 };
  // The previous system cannot reach the server either: the silence says nothing about the closure.
  if (event.on === "restored" && !event.inContact && state.name === "rollingBack") {
    if (state.failure?.code === "CONTACT_LOST") return takeBack(tally);
  }
  return tally;
}

function countEnd(tally: Tally, ending: Ending, next: State, bootsFirst: boolean): Tally {
  // A first boot that leads back again and again must not go on for ever.
  if (ending.outcome === "applied") return bootsFirst ? tally : emptyTally;
  return next.name === "idle" || next.name === "stuck" ? { ...tally, ends: tally.ends + 1 } : tally;
}

const causeOf = (state: State) => (state.name === "rollingBack" ? state.failure : undefined);

function endOf(state: State, event: Event, ends: Row[4], tally: Tally): Ending | undefined {
  if (ends === "" || !("attempt" in state)) return undefined;
  const outcome = ends === "recorded" && state.name === "rollingBack" ? state.ends : ends;
  if (outcome === "recorded") return undefined;
  const failure =
    state.name === "rollingBack" && event.on === "restored"
      ? state.failure
      : failureOf(state, event);
  return {
    attempt: state.attempt,
    outcome,
    failure: outcome === "applied" ? undefined : failure,
    by: event,
    rebootRequired: outcome === "applied" && "plan" in state && state.plan?.rebootRequired === true,
    // What led to a return is the closure's fault or not, however the return went.
    quarantine: [failure, causeOf(state)].some((one) => deservesQuarantine(tally, outcome, one)),
  };
}
