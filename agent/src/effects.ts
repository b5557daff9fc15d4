/** What each state does, as data. The executor gives every kind its hands. */
import type { Attempt, FirstBoot, Plan, WayBack } from "./attempt.ts";
import { firstWayBack } from "./first-way-back.ts";
import type { Machine } from "./machine.ts";
import type { Reach, State } from "./states.ts";
import { unreachable } from "./unreachable.ts";

export type Action = "switch" | "boot" | "test";

export type Effect =
  /** Checks space and that the state directory can be written. */
  | { readonly do: "preflight"; readonly attempt: Attempt }
  /**
   * Keeps a path, valid or not yet, from garbage collection. `ifRoom`: a full disk does not keep the
   * state from the rest of its work.
   */
  | {
      readonly do: "root";
      readonly name: RootName;
      readonly storePath: string;
      readonly ifRoom?: true;
    }
  /** Copies the closure from the caches. */
  | { readonly do: "copy"; readonly attempt: Attempt }
  /** Verifies contents, digest, system and agent of the closure and chooses the order. */
  | { readonly do: "inspect"; readonly attempt: Attempt }
  /** Asks the server once more whether to go on. */
  | { readonly do: "confirm"; readonly attempt: Attempt }
  /** Records and roots the way back. */
  | { readonly do: "secure"; readonly attempt: Attempt }
  /** Lets the system profile name a path. */
  | { readonly do: "setProfile"; readonly storePath: string }
  /** Runs the closure's switch-to-configuration and reads what came of it from the links. */
  | {
      readonly do: "activate";
      readonly attempt: Attempt;
      readonly prev: WayBack;
      readonly action: Exclude<Action, "boot">;
    }
  /** Writes the boot loader's entries. */
  | { readonly do: "bootEntries"; readonly attempt: Attempt; readonly entries: BootEntries }
  /** Lets the system profile name the way back again, which keeps the closure's entry bootable. */
  | { readonly do: "resetProfile"; readonly prev: WayBack }
  /** Says that a reboot brings the closure up. */
  | { readonly do: "bootPrepared" }
  /** Lets a reboot bring the closure up: a person's, or one by policy. */
  | {
      readonly do: "awaitReboot";
      readonly attempt: Attempt;
      readonly plan: Plan;
      readonly prev: WayBack;
    }
  /** Looks whether a committed closure was booted for the first time; reboots into it by policy. */
  | { readonly do: "watchFirstBoot"; readonly firstBoot: FirstBoot }
  /** Checks health, units and contact until they hold or time is up. */
  | { readonly do: "prove"; readonly attempt: Attempt; readonly plan: Plan; readonly prev: WayBack }
  /** Sees that one of these systems runs before anything is changed: an administrator may have switched. */
  | { readonly do: "stillRuns"; readonly storePaths: readonly string[] }
  /** Writes the trust record, after which there is only forward. */
  | { readonly do: "recordCommit"; readonly attempt: Attempt }
  /** Brings back what `reach` names. */
  | {
      readonly do: "restore";
      readonly attempt: Attempt;
      readonly prev: WayBack;
      readonly reach: Reach;
      readonly tries: number;
      /** What the boot loader is left with. */
      readonly entries: BootEntries;
    }
  /** Reboots at once. */
  | { readonly do: "reboot" }
  /** Whether the previous system reaches the server, for lost contact. `booted`: it came up by a reboot. */
  | { readonly do: "compareContact"; readonly needed: boolean; readonly booted: boolean }
  /** Looks whether somebody repaired the device. */
  | { readonly do: "lookAround"; readonly attempt: Attempt }
  /** Goes back from what is in quarantine where the journal that knew the way back is lost. */
  | { readonly do: "leaveQuarantined" }
  /** Removes what ended attempts left: roots, results, envelopes. */
  | { readonly do: "tidy" };

/**
 * GC roots: of the closure under way, of the way back and what its profile named, of the system from
 * before a first boot and what the boot loader falls back to at it, of the one that a device is stuck
 * with, which its boot loader may still name, and of the one that it is, or was, to return to.
 */
export type RootName =
  | "staged"
  | "prev"
  | "prev-profile"
  | "first-boot"
  | "fallback"
  | "stuck"
  | "return";

/** What the boot loader shall start: always, and at the next boot alone. */
export interface BootEntries {
  readonly standard: string;
  /** Empty: the next boot starts the standard as well. */
  readonly once: string;
}

/** The effects of a state, in order. All are repeatable, or adopt what an earlier run began. */
export function work({ state, firstBoot }: Machine): readonly Effect[] {
  switch (state.name) {
    case "idle":
      // Before anything is tidied: the root of the way back is what is left of a lost journal.
      return firstBoot === undefined
        ? [{ do: "leaveQuarantined" }, { do: "tidy" }]
        : [{ do: "watchFirstBoot", firstBoot }, { do: "tidy" }];
    case "accepted":
      return [{ do: "preflight", attempt: state.attempt }];
    case "fetching":
      return [
        { do: "root", name: "staged", storePath: state.attempt.storePath },
        { do: "copy", attempt: state.attempt },
      ];
    case "staged":
      return [{ do: state.plan === undefined ? "inspect" : "confirm", attempt: state.attempt }];
    case "armed":
      return [{ do: "secure", attempt: state.attempt }];
    case "activating":
      return activation(state.attempt, state.plan, state.prev);
    case "awaitingReboot":
      return [{ do: "awaitReboot", attempt: state.attempt, plan: state.plan, prev: state.prev }];
    case "probation":
      return [{ do: "prove", attempt: state.attempt, plan: state.plan, prev: state.prev }];
    case "committing":
      return commit(state, firstBoot);
    case "rollingBack":
      return goBack(state, firstBoot);
    case "stuck":
      return [
        { do: "root", name: "stuck", storePath: state.attempt.storePath, ifRoom: true },
        { do: "root", name: "return", storePath: firstWayBack(state).running, ifRoom: true },
        { do: "lookAround", attempt: state.attempt },
      ];
    default:
      return unreachable(state);
  }
}

function activation(attempt: Attempt, plan: Plan, prev: WayBack): readonly Effect[] {
  const look: Effect = { do: "stillRuns", storePaths: [prev.running, attempt.storePath] };
  const profile: Effect = { do: "setProfile", storePath: attempt.storePath };
  switch (plan.order) {
    case "prove-first":
      return [look, { do: "activate", attempt, prev, action: "test" }];
    case "switch":
      return [look, profile, { do: "activate", attempt, prev, action: "switch" }];
    case "boot": {
      const entries = bootEntries(attempt, plan, prev);
      const write: Effect = { do: "bootEntries", attempt, entries };
      // The builder of a boot loader writes entries only for generations of the profile.
      return entries.once === ""
        ? [look, profile, write, { do: "bootPrepared" }]
        : [look, profile, write, { do: "resetProfile", prev }, { do: "bootPrepared" }];
    }
    case "adopt":
      return [];
    default:
      return unreachable(plan.order);
  }
}

/**
 * The boot loader before the boot that has to prove a closure: where it can start an entry once, the
 * system from before stays what it falls back to.
 */
function bootEntries({ storePath }: Attempt, plan: Plan, prev: WayBack): BootEntries {
  const guarded = plan.oneShot && prev.generation > 0 && prev.profile !== storePath;
  return guarded ? { standard: prev.profile, once: storePath } : { standard: storePath, once: "" };
}

type Committing = Extract<State, { readonly name: "committing" }>;

function commit(
  { attempt, plan, prev }: Committing,
  firstBoot: FirstBoot | undefined,
): readonly Effect[] {
  const look: Effect = { do: "stillRuns", storePaths: [attempt.storePath] };
  const profile: Effect = { do: "setProfile", storePath: attempt.storePath };
  const record: Effect = { do: "recordCommit", attempt };
  const booted = firstBoot?.prev ?? prev;
  if (plan.rebootRequired && booted.running !== attempt.storePath) {
    const entries = bootEntries(attempt, plan, booted);
    return [
      look,
      { do: "root", name: "first-boot", storePath: booted.running },
      { do: "root", name: "fallback", storePath: entries.standard },
      profile,
      { do: "bootEntries", attempt, entries },
      record,
    ];
  }
  // Also in the order `switch`, which wrote them when it activated: a reboot may have come between the
  // entry for once and the commit.
  const entries = { standard: attempt.storePath, once: "" };
  return [look, profile, { do: "bootEntries", attempt, entries }, record];
}

/** The boot loader where this system is what it shall start, which may still wait for its first boot. */
export function entriesFor(standard: string, firstBoot: FirstBoot | undefined): BootEntries {
  return firstBoot?.attempt.storePath === standard
    ? bootEntries(firstBoot.attempt, firstBoot.plan, firstBoot.prev)
    : { standard, once: "" };
}

type Return = Extract<State, { readonly name: "rollingBack" }>;

function goBack(state: Return, firstBoot: FirstBoot | undefined): readonly Effect[] {
  const { attempt, prev, reach, tries, failure } = state;
  if (reach === "reboot") return [{ do: "reboot" }];
  const standard = prev.profile === "" ? prev.running : prev.profile;
  const entries = entriesFor(standard, firstBoot);
  const restore: Effect = { do: "restore", attempt, prev, reach, tries, entries };
  const needed = failure?.code === "CONTACT_LOST";
  // What is lost with the server's answers is never left by profile and boot loader alone, but for a reboot.
  const compare: Effect = { do: "compareContact", needed, booted: reach === "profile" };
  return reach === "boot" ? [restore, { do: "reboot" }] : [restore, compare];
}
