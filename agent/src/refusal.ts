/** Refusals that only a person ends: what to do about them, and how seldom to ask meanwhile. Pure. */
import type { ReasonName } from "@nix-ota/proto/reason";

interface Refusal {
  /** For who stands before the device. */
  readonly sentence: (deviceId: string) => string;
  /** `soon`: somebody may be about to end it. */
  readonly again: "soon" | "late";
}

const refusals: Partial<Readonly<Record<ReasonName, Refusal>>> = {
  PENDING_APPROVAL: {
    sentence: (id) => `an operator has to approve this device: nix-ota device approve ${id}`,
    again: "soon",
  },
  ENROLMENT_CLOSED: {
    sentence: () =>
      "the channel takes a device only with a valid enrolment token: put one into enrolmentTokenFile",
    again: "late",
  },
  KEY_CONFLICT: {
    sentence: (id) =>
      `the server knows another device, or this one before it was set up anew, as ${id}: ` +
      `let an operator forget that one (nix-ota device forget ${id}), or set another deviceId`,
    again: "late",
  },
  DEVICE_REVOKED: {
    sentence: (id) =>
      `an operator ended the access of this device; only an operator gives it back: nix-ota device approve ${id}`,
    again: "late",
  },
  SERVER_URL_MISMATCH: {
    sentence: () => "the server goes by another URL: set server to the one it tells its devices",
    again: "late",
  },
};

/** What to do about a refusal; undefined: it ends by itself. */
export function remedyFor(reason: ReasonName | undefined, deviceId: string): string | undefined {
  return reason === undefined ? undefined : refusals[reason]?.sentence(deviceId);
}

/** How long to wait before asking again, milliseconds; 0: as after any failure. */
export function refusedMs(
  reason: ReasonName | undefined,
  waits: { readonly soonMs: number; readonly lateMs: number },
): number {
  const again = reason === undefined ? undefined : refusals[reason]?.again;
  if (again === undefined) return 0;
  return again === "soon" ? waits.soonMs : waits.lateMs;
}
