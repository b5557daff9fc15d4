import type { Attempt, Impasse, Plan, WayBack } from "./attempt.ts";
import type { Failure } from "./failure.ts";
import type { Outcome } from "./outcome.ts";

/** The state of the device. Each member owns what it needs to go on after a crash. */
export type State =
  /** Nothing under way: asks for a manifest. */
  | { readonly name: "idle" }
  /** A manifest passed the gate and its floor is durable: checks whether the device can take it. */
  | { readonly name: "accepted"; readonly attempt: Attempt }
  /** Copies the closure, rooted before the first byte. `tries` counts copies that failed; a new attempt starts at 0. */
  | { readonly name: "fetching"; readonly attempt: Attempt; readonly tries: number }
  /** The closure is here. Without a plan it is inspected; with one it waits for leave to go on. */
  | { readonly name: "staged"; readonly attempt: Attempt; readonly plan: Plan | undefined }
  /** Has leave: records and roots the way back. */
  | { readonly name: "armed"; readonly attempt: Attempt; readonly plan: Plan }
  /** The closure takes over the running system. */
  | {
      readonly name: "activating";
      readonly attempt: Attempt;
      readonly plan: Plan;
      readonly prev: WayBack;
    }
  /** The closure is prepared to boot and runs after a reboot. */
  | {
      readonly name: "awaitingReboot";
      readonly attempt: Attempt;
      readonly plan: Plan;
      readonly prev: WayBack;
    }
  /** The closure runs and has to prove its health. `boots` counts reboots in the middle of it; a new attempt starts at 0. */
  | {
      readonly name: "probation";
      readonly attempt: Attempt;
      readonly plan: Plan;
      readonly prev: WayBack;
      readonly boots: number;
    }
  /** Profile, boot loader and trust record come to name the closure. */
  | {
      readonly name: "committing";
      readonly attempt: Attempt;
      readonly plan: Plan;
      readonly prev: WayBack;
    }
  /**
   * Returns to the way back. `tries` counts returns that failed, `reboots` those that were begun for
   * it; a new attempt starts at 0.
   */
  | {
      readonly name: "rollingBack";
      readonly attempt: Attempt;
      readonly plan: Plan;
      readonly prev: WayBack;
      /** Absent where nothing failed: a newer revision takes the place of one that waits for a reboot. */
      readonly failure?: Failure;
      readonly reach: Reach;
      /** How the attempt ends once the device is back. */
      readonly ends: Outcome;
      readonly tries: number;
      readonly reboots: number;
    }
  /** Neither forward nor back worked: polls and reports; a newer revision or a repair by hand ends it. */
  | ({ readonly name: "stuck" } & Impasse);

/**
 * How far an attempt got, thus what has to be undone.
 *
 * - `live`: only the running system.
 * - `profile`: only profile and boot loader.
 * - `all`: both.
 * - `boot`: both, and only a reboot brings the previous system up.
 * - `reboot`: the same as before, which failed too often; a reboot is what is left.
 */
export type Reach = "live" | "profile" | "all" | "boot" | "reboot";

export type StateName = State["name"];

/** One sentence for each state, for people. */
export const sentences: Record<StateName, string> = {
  idle: "nothing under way; asks the server",
  accepted: "a manifest is verified; checks whether the device can take it",
  fetching: "copies the closure",
  staged: "the closure is here; inspects it and waits for leave",
  armed: "records and roots the way back",
  activating: "the closure takes over the running system",
  awaitingReboot:
    "the closure is prepared and runs after a reboot; reboot the device when it suits",
  probation: "the closure runs and has to prove its health",
  committing: "profile and boot loader come to name the closure",
  rollingBack: "returns to the previous system",
  stuck: "neither forward nor back worked; publish a newer revision or repair by hand",
};
