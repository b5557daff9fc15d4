/** What each state does, as data. The executor gives every kind its hands. */
import type { Attempt, Plan, WayBack } from "./attempt.ts";
import type { Reach, State } from "./states.ts";
import { unreachable } from "./unreachable.ts";

export type Action = "switch" | "boot" | "test";

export type Effect =
  /** Checks space and that the state directory can be written. */
  | { readonly do: "preflight"; readonly attempt: Attempt }
  /** Keeps a path, valid or not yet, from garbage collection. */
  | { readonly do: "root"; readonly name: RootName; readonly storePath: string }
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
      readonly action: Action;
    }
  /** Lets a reboot bring the closure up. */
  | { readonly do: "awaitReboot"; readonly attempt: Attempt; readonly prev: WayBack }
  /** Checks health, units and contact until they hold or time is up. */
  | { readonly do: "prove"; readonly attempt: Attempt; readonly plan: Plan; readonly prev: WayBack }
  /** Sees that one of these systems runs before anything is changed: an administrator may have switched. */
  | { readonly do: "stillRuns"; readonly storePaths: readonly string[] }
  /** Lets the boot loader name the committed path. */
  | { readonly do: "bootDefault"; readonly attempt: Attempt; readonly storePath: string }
  /** Writes the trust record, after which there is only forward. */
  | { readonly do: "recordCommit"; readonly attempt: Attempt }
  /** Brings back what `reach` names. */
  | {
      readonly do: "restore";
      readonly attempt: Attempt;
      readonly prev: WayBack;
      readonly reach: Reach;
      readonly tries: number;
    }
  /** Whether the previous system reaches the server, for lost contact. */
  | { readonly do: "compareContact"; readonly needed: boolean }
  /** Looks whether somebody repaired the device. */
  | { readonly do: "lookAround"; readonly attempt: Attempt }
  /** Removes what ended attempts left: roots, results, envelopes. */
  | { readonly do: "tidy" };

export type RootName = "staged" | "prev";

/** The effects of a state, in order. All are repeatable, or adopt what an earlier run began. */
export function work(state: State): readonly Effect[] {
  switch (state.name) {
    case "idle":
      return [{ do: "tidy" }];
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
      return [{ do: "awaitReboot", attempt: state.attempt, prev: state.prev }];
    case "probation":
      return [{ do: "prove", attempt: state.attempt, plan: state.plan, prev: state.prev }];
    case "committing":
      return commit(state.attempt, state.plan);
    case "rollingBack":
      return [
        {
          do: "restore",
          attempt: state.attempt,
          prev: state.prev,
          reach: state.reach,
          tries: state.tries,
        },
        { do: "compareContact", needed: state.failure.code === "CONTACT_LOST" },
      ];
    case "stuck":
      return [{ do: "lookAround", attempt: state.attempt }];
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
    case "boot":
      return [look, profile, { do: "activate", attempt, prev, action: "boot" }];
    case "adopt":
      return [];
    default:
      return unreachable(plan.order);
  }
}

function commit(attempt: Attempt, plan: Plan): readonly Effect[] {
  const look: Effect = { do: "stillRuns", storePaths: [attempt.storePath] };
  const record: Effect = { do: "recordCommit", attempt };
  // The order `switch` wrote profile and boot loader when it activated.
  if (plan.order === "switch") return [look, record];
  return [
    look,
    { do: "setProfile", storePath: attempt.storePath },
    { do: "bootDefault", attempt, storePath: attempt.storePath },
    record,
  ];
}
