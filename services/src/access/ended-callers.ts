import type { Db } from "../db/database.ts";
import { findDeviceAccess, findTokenTimes, type DeviceAccess } from "./caller-queries.ts";
import type { Caller, OperatorCredential } from "./caller.ts";
import { findSessions } from "./console-queries.ts";
import { isSessionOver } from "./console-session.ts";
import type { Session } from "./session-token.ts";
import { tokenStanding } from "./token-standing.ts";

/**
 * Which of the callers, good when their calls began, may call no more: a token
 * that was revoked, suspended or expired; a console session that is over; a device that was revoked, rejected or
 * deleted, whose key was replaced, or whose session is over.
 *
 * For calls that last: ask for all of them together, every 15 s at most, which
 * is how soon an open stream follows a revocation. Three statements however many
 * callers there are, none for kinds that are not among them. An error of the
 * database is thrown on; whoever asks decides how long they do without.
 */
export async function endedCallers<Asked extends Caller>(
  db: Db,
  callers: readonly Asked[],
  nowMs: number,
): Promise<ReadonlySet<Asked>> {
  const sessionDigests: Uint8Array[] = [];
  const tokenIds = new Set<string>();
  const deviceIds = new Set<string>();
  for (const caller of callers) {
    if (caller.kind === "device") deviceIds.add(caller.session.deviceId);
    if (caller.kind !== "operator" || caller.credential.kind === "file") continue;
    const { credential } = caller;
    if (credential.tokenId !== undefined) tokenIds.add(credential.tokenId);
    if (credential.kind === "console") sessionDigests.push(credential.sessionSha256);
  }
  const tokens = tokenIds.size === 0 ? undefined : await findTokenTimes(db, [...tokenIds]);
  const devices = deviceIds.size === 0 ? undefined : await findDeviceAccess(db, [...deviceIds]);

  const sessions = sessionDigests.length === 0 ? undefined : await findSessions(db, sessionDigests);

  const isTokenGood = (tokenId: string) => {
    const times = tokens?.get(tokenId);
    return times !== undefined && tokenStanding(times, nowMs) === "good";
  };
  const isCredentialGood = (credential: OperatorCredential): boolean => {
    if (credential.kind === "file") return true;
    if (credential.tokenId !== undefined && !isTokenGood(credential.tokenId)) return false;
    if (credential.kind === "token") return true;
    const session = sessions?.get(Buffer.from(credential.sessionSha256).toString("hex"));
    // Being told of changes is no use of a session: who only watches is signed out.
    return session !== undefined && !isSessionOver(session, nowMs);
  };
  const isGood = (caller: Caller): boolean => {
    switch (caller.kind) {
      case "nobody":
        return true;
      case "device":
        return isSessionGood(caller.session, devices?.get(caller.session.deviceId), nowMs);
      case "operator":
        return isCredentialGood(caller.credential);
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
