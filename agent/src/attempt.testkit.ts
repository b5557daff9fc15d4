import type { Attempt, Plan, WayBack } from "./attempt.ts";
import type { Event } from "./events.ts";
import type { ReportedAttempt } from "./reported-event.ts";

/** An attempt as tests need one where nothing depends on which it is. */
export const sampleAttempt: Attempt = {
  id: "aaaaaaaa",
  channel: "prod",
  revision: 1,
  payloadSha256: "5".repeat(64),
  storePath: "/nix/store/r1",
};

/** A plan that a reboot carries out, as one that was inspected when the device booted. */
export const samplePlan: Plan = {
  order: "boot",
  rebootRequired: true,
  oneShot: true,
  healthCmd: "",
  healthyBefore: true,
  inspected: { bootId: "boot", ms: 0 },
};

/** The way back of a device that ran what its first generation names. */
export const sampleWayBack: WayBack = {
  running: "/nix/store/r0",
  booted: "/nix/store/r0",
  profile: "/nix/store/r0",
  generation: 1,
  inContact: true,
};

/** What moves a device from an offer to the wait for its reboot. */
export function movesToReboot(
  attempt: Attempt,
  plan: Plan = samplePlan,
  prev: WayBack = sampleWayBack,
): readonly Event[] {
  return [
    { on: "accepted", attempt },
    { on: "fit" },
    { on: "fetched" },
    { on: "inspected", plan },
    { on: "cleared" },
    { on: "secured", prev },
    { on: "needsReboot" },
  ];
}

/** A manifest that did not pass the gate, as it is reported. */
export const refusedManifest = (
  id: string,
): ReportedAttempt & { readonly rejectCode: "BAD_SIGNATURE" } => ({
  id,
  channel: "prod",
  revision: 1,
  storePath: "",
  state: "idle",
  outcome: "rejected",
  rejectCode: "BAD_SIGNATURE",
  message: "signed by nobody known",
  rebootRequired: false,
  elapsedMs: 0,
});
