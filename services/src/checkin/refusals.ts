import { OtaError } from "../ota-error.ts";
import type { Standing } from "../standing.ts";

/** The id is pinned to another key than the caller's. */
export function keyConflict(deviceId: string): OtaError {
  return new OtaError(
    "KEY_CONFLICT",
    `${deviceId} is pinned to another key; give the device another id, or have its key replaced`,
  );
}

/** An operator ended or refused the device's access. */
export function revoked(deviceId: string): OtaError {
  return new OtaError("DEVICE_REVOKED", `the access of ${deviceId} was ended by an operator`);
}

/** The device's session is of a key, or of a device, that is no more. */
export function replaced(): OtaError {
  return new OtaError(
    "CREDENTIAL_INVALID",
    "the device or its key was replaced; authenticate again",
  );
}

/**
 * That a session is still the device's, and its access was not ended: what a
 * read by a device asks, so that a revoked one is served nothing. One that may
 * not report yet may read: a signed manifest is no secret and may be its cure.
 *
 * @param device What is stored under the session's id; undefined: nothing.
 */
export function requireLive(
  session: { readonly deviceId: string; readonly keyEpoch: number },
  device: { readonly keyEpoch: number; readonly standing: Standing } | undefined,
): void {
  if (device?.keyEpoch !== session.keyEpoch) throw replaced();
  if (device.standing === "revoked" || device.standing === "rejected") {
    throw revoked(session.deviceId);
  }
}

/** Why a device of this standing may not report. */
export function mayNotReport(deviceId: string, standing: Exclude<Standing, "accepted">): OtaError {
  if (standing !== "pending") return revoked(deviceId);
  return new OtaError("PENDING_APPROVAL", `${deviceId} waits for an operator's approval`);
}
