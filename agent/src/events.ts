import type { RejectCodeName } from "@nix-ota/proto";

import type { Attempt, Plan, WayBack } from "./attempt.ts";
import type { Failure } from "./failure.ts";

/** What can happen to the machine. */
export type Event =
  /** A manifest for another system than the running one passed the gate. */
  | { readonly on: "accepted"; readonly attempt: Attempt }
  /** A manifest for the running system passed the gate. */
  | {
      readonly on: "adopted";
      readonly attempt: Attempt;
      readonly plan: Plan;
      readonly prev: WayBack;
    }
  /** A newer manifest passed the gate while another attempt was under way. */
  | { readonly on: "superseded"; readonly attempt: Attempt }
  /** The manifest does not pass the gate any more: expired, or the configuration changed. */
  | { readonly on: "withdrawn"; readonly code: RejectCodeName; readonly message: string }
  /** Preflight: the device can take the closure. */
  | { readonly on: "fit" }
  /** Preflight: it cannot. */
  | { readonly on: "unfit"; readonly failure: Failure }
  /** The whole closure is valid in the store. */
  | { readonly on: "fetched" }
  /** A copy ended without it. */
  | { readonly on: "fetchFailed"; readonly failure: Failure }
  /** Contents, system and agent of the closure are as they should be. */
  | { readonly on: "inspected"; readonly plan: Plan }
  /** They are not. */
  | { readonly on: "unusable"; readonly failure: Failure }
  /** The contents were read too long ago to rely on them. */
  | { readonly on: "stale" }
  /** The server still offers the revision: go on. */
  | { readonly on: "cleared" }
  /**
   * Wait: paused, out of the window, put off, over the budget of bytes, or the server was silent for
   * too long. `lookAgainMs`: the device itself holds, and it is worth a look after so long; absent:
   * the server does.
   */
  | { readonly on: "held"; readonly reason: string; readonly lookAgainMs?: number }
  /** The way back is recorded and rooted. */
  | { readonly on: "secured"; readonly prev: WayBack }
  /** It could not be. */
  | { readonly on: "unsecured"; readonly failure: Failure }
  /** The links say that the closure runs. */
  | { readonly on: "activated" }
  /** A system cannot take over without a reboot: its switch-to-configuration refuses (status 100). */
  | { readonly on: "inhibited"; readonly failure: Failure }
  /** The boot loader has what it needs: a reboot brings the closure up. */
  | { readonly on: "needsReboot" }
  /** Activation was refused and the running system did not move. */
  | { readonly on: "untouched"; readonly failure: Failure }
  /** Activation ended badly. */
  | { readonly on: "broken"; readonly failure: Failure }
  /** Health, units and contact are proven. */
  | { readonly on: "proven" }
  /** They were not in time. */
  | { readonly on: "unproven"; readonly failure: Failure }
  /** Profile, boot loader and trust record name the closure; `bootId` is the boot in which they do. */
  | { readonly on: "committed"; readonly bootId: string }
  /** Profile or boot loader could not be written; the trust record was not. */
  | { readonly on: "uncommitted"; readonly failure: Failure }
  /** Running system, profile and boot loader are as recorded. */
  | { readonly on: "restored"; readonly inContact: boolean }
  /** They could not be brought back. */
  | { readonly on: "unrestored"; readonly failure: Failure }
  /** The system to return to is not in the store any more. */
  | { readonly on: "prevGone"; readonly failure: Failure }
  /** The links name a system that is neither the closure nor the way back. */
  | { readonly on: "linksChanged"; readonly failure: Failure }
  /** The dead-man fired before the attempt came to an end: the agent hung or was dead. */
  | { readonly on: "overdue"; readonly failure: Failure }
  /** After a reboot: the previous system was booted. */
  | { readonly on: "bootedPrev" }
  /** After a reboot: the closure was booted. */
  | { readonly on: "bootedNew" }
  /** After a reboot: a third system was booted. */
  | { readonly on: "bootedThird" }
  /** After a reboot that was the first boot of a committed closure: that has to be looked after first. */
  | { readonly on: "setAside"; readonly failure: Failure }
  /** First boot of a committed closure whose kernel no probation has seen. */
  | {
      readonly on: "firstBoot";
      readonly attempt: Attempt;
      readonly plan: Plan;
      readonly prev: WayBack;
    }
  /** That boot did not come about: the boot loader started the system from before. */
  | {
      readonly on: "fellBack";
      readonly attempt: Attempt;
      readonly plan: Plan;
      readonly prev: WayBack;
    }
  /** What is offered runs, but was never proven: the journal is lost, or the device is stuck with it. */
  | {
      readonly on: "unprovenRuns";
      readonly attempt: Attempt;
      readonly plan: Plan;
      readonly prev: WayBack;
    }
  /** What failed runs, and the journal that knew the way back is lost. */
  | {
      readonly on: "quarantinedRuns";
      readonly attempt: Attempt;
      readonly plan: Plan;
      readonly prev: WayBack;
      readonly failure: Failure;
    }
  /** While stuck: running system and profile agree again. */
  | { readonly on: "repaired" }
  /** A person asks to leave the committed revision. */
  | {
      readonly on: "rollbackAsked";
      readonly attempt: Attempt;
      readonly plan: Plan;
      readonly prev: WayBack;
    }
  /** A person or operator asks to try a revision once more. */
  | { readonly on: "retryAsked"; readonly revision: number };

export type EventName = Event["on"];
