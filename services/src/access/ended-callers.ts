import type { Db } from "../db/database.ts";
import { findDeviceAccess, findTokenTimes, type DeviceAccess } from "./caller-queries.ts";
import type { Caller } from "./caller.ts";
import type { Session } from "./session-token.ts";
import { tokenStanding } from "./token-standing.ts";

/**
 * Which of the callers, good when their calls began, may call no more: a token
 * that was revoked, suspended or expired; a device that was revoked, rejected or
 * deleted, whose key was replaced, or whose session is over.
 *
 * For calls that last: ask for all of them together, every 15 s at most, which
 * is how soon an open stream follows a revocation. Two statements however many
 * callers there are, none for kinds that are not among them. An error of the
 * database is thrown on; whoever asks decides how long they do without.
 */
export async function endedCallers<Asked extends Caller>(
  db: Db,
  callers: readonly Asked[],
  nowMs: number,
): Promise<ReadonlySet<Asked>> {
  const tokenIds = new Set<string>();
  const deviceIds = new Set<string>();
  for (const caller of callers) {
    if (caller.kind === "device") deviceIds.add(caller.session.deviceId);
    else if (caller.kind === "operator" && caller.credential.kind === "token") {
      tokenIds.add(caller.credential.tokenId);
    }
  }
  const tokens = tokenIds.size === 0 ? undefined : await findTokenTimes(db, [...tokenIds]);
  const devices = deviceIds.size === 0 ? undefined : await findDeviceAccess(db, [...deviceIds]);

  const isTokenGood = (tokenId: string) => {
    const times = tokens?.get(tokenId);
    return times !== undefined && tokenStanding(times, nowMs) === "good";
  };
  const isGood = (caller: Caller): boolean => {
    switch (caller.kind) {
      case "nobody":
        return true;
      case "device":
        return isSessionGood(caller.session, devices?.get(caller.session.deviceId), nowMs);
      case "operator":
        return caller.credential.kind === "file" || isTokenGood(caller.credential.tokenId);
    }
  };
  return new Set(callers.filter((caller) => !isGood(caller)));
}

function isSessionGood(session: Session, device: DeviceAccess | undefined, nowMs: number): boolean {
  return (
    device !== undefined &&
    device.keyEpoch === session.keyEpoch &&
    device.standing !== "revoked" &&
    device.standing !== "rejected" &&
    nowMs < session.expiresAtS * 1000
  );
}
