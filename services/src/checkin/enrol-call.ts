import type { EnrolRequest } from "@nix-ota/proto/nixota/v1/checkin_service_pb";

import { findEnrolmentToken, useEnrolmentToken } from "../access/enrolment-token-queries.ts";
import { judgeEnrolmentToken } from "../access/enrolment-token.ts";
import { readSecretToken } from "../access/secret-token.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import type { Standing } from "../standing.ts";
import { decideEnrolment, type EnrolmentDecision, type HeldId } from "./enrolment.ts";
import {
  findEnrolmentMode,
  findIdentity,
  findOpenEnrolment,
  pinDevice,
  storeOpenEnrolment,
} from "./identity-queries.ts";
import { countOpenEnrolment, type OpenEnrolmentCount } from "./open-enrolment.ts";
import { keyConflict, revoked } from "./refusals.ts";

/** A device that the server knows by its key. */
export interface Enrolled {
  readonly standing: Standing;
  readonly keyEpoch: number;
}

/** What an enrolment touches. */
type EnrolDeps = Pick<Deps, "db" | "log" | "nowMs" | "enrolment">;
type Asked = Pick<EnrolRequest, "channel" | "target" | "publicKey" | "enrolmentToken">;

/**
 * Pins an unknown device, or recognises a known one: a call whose answer was
 * lost can be repeated, and uses up nothing a second time.
 *
 * @throws {OtaError} KEY_CONFLICT, DEVICE_REVOKED, ENROLMENT_CLOSED, OVERLOADED.
 */
export async function enrol(deps: EnrolDeps, deviceId: string, asked: Asked): Promise<Enrolled> {
  const held = await findIdentity(deps.db, deviceId);
  if (held !== undefined) return recognised(deviceId, asked, held);
  const admitted = await admit(deps, { deviceId, asked, nowMs: deps.nowMs() }).catch(
    (refusal: unknown) => ({ refusal }),
  );
  if (!("refusal" in admitted)) return admitted;
  // Another call may have pinned the id in between, the same one repeated and
  // with the last use of the same token: what it pinned decides.
  const meanwhile = await findIdentity(deps.db, deviceId);
  if (meanwhile === undefined) throw admitted.refusal;
  return recognised(deviceId, asked, meanwhile);
}

/** What a held id means for who presents its key, or another one. */
function recognised(deviceId: string, { channel, publicKey }: Asked, held: HeldId): Enrolled {
  // Nothing hangs on the way in: a held id is not enrolled another time.
  const decision = decideEnrolment(publicKey, held, { mode: "token", goodTokenId: undefined });
  if (decision.kind === "known") return decision;
  throw refusalOf(decision, deviceId, channel);
}

/** Lets in a device whose id nobody holds, as its channel and its token allow. */
async function admit(deps: EnrolDeps, enrolment: Enrolment): Promise<Enrolled> {
  const { deviceId, asked } = enrolment;
  const decision = decideEnrolment(asked.publicKey, undefined, await findWay(deps, enrolment));
  if (decision.kind !== "pin") throw refusalOf(decision, deviceId, asked.channel);
  const keyEpoch = await pin(deps, { ...enrolment, decision });
  if (keyEpoch !== undefined) return { standing: decision.standing, keyEpoch };
  throw new OtaError("DEVICE_UNKNOWN", `${deviceId} was deleted meanwhile; enrol it again`);
}

interface Enrolment {
  readonly deviceId: string;
  readonly asked: Asked;
  readonly nowMs: number;
}

async function findWay(deps: EnrolDeps, { deviceId, asked, nowMs }: Enrolment) {
  const { channel, enrolmentToken } = asked;
  const mode = (await findEnrolmentMode(deps.db, channel)) ?? deps.enrolment.mode;
  const presented = readSecretToken("noe", enrolmentToken);
  if (presented === undefined) {
    if (enrolmentToken !== "") deps.log.info({ deviceId, channel }, "enrolment token malformed");
    return { mode, goodTokenId: undefined };
  }
  const token = await findEnrolmentToken(deps.db, presented.id);
  const worth = judgeEnrolmentToken(presented, token, { channel, nowMs });
  if (worth === "good") return { mode, goodTokenId: presented.id };
  deps.log.info({ deviceId, channel, tokenId: presented.id, worth }, "enrolment token not good");
  return { mode, goodTokenId: undefined };
}

/** Key, use of the token and count in one transaction. Undefined: the id is held already. */
async function pin(
  deps: EnrolDeps,
  enrolment: Enrolment & { readonly decision: EnrolmentDecision & { readonly kind: "pin" } },
): Promise<number | undefined> {
  const { deviceId, asked, decision, nowMs } = enrolment;
  const { channel, target, publicKey } = asked;
  const { standing, by } = decision;
  const tokenId = by === "open" || by === "approve" ? undefined : by.slice("token:".length);
  const count = (one: OpenEnrolmentCount) => requireAdmitted(one, deps.enrolment, nowMs);
  // A flood is turned away by a look, before anything is written.
  if (tokenId === undefined) count(await findOpenEnrolment(deps.db, { held: false }));
  return await deps.db.transaction().execute(async (db) => {
    const device = { id: deviceId, publicKey, channel, target, standing, enrolledBy: by };
    const keyEpoch = await pinDevice(db, device);
    if (keyEpoch === undefined) return undefined;
    if (tokenId === undefined) {
      await storeOpenEnrolment(db, count(await findOpenEnrolment(db, { held: true })));
    } else {
      const used = { id: tokenId, channel, now: new Date(nowMs) };
      if (!(await useEnrolmentToken(db, used))) throw closed(channel);
    }
    return keyEpoch;
  });
}

function refusalOf(decision: EnrolmentDecision, deviceId: string, channel: string): OtaError {
  switch (decision.kind) {
    case "conflict":
      return keyConflict(deviceId);
    case "revoked":
      return revoked(deviceId);
    case "closed":
      return closed(channel);
    case "known":
    case "pin":
      return new OtaError("INTERNAL", `${deviceId} was let in and refused`);
  }
}

/** One sentence whatever is wrong with a token; the server's log tells an operator more. */
function closed(channel: string): OtaError {
  return new OtaError(
    "ENROLMENT_CLOSED",
    `channel ${channel} takes devices by enrolment token, and none that is good for it was brought; make one with \`nix-ota enrol-token create --channel ${channel}\` and give it to the device`,
  );
}

function requireAdmitted(
  count: OpenEnrolmentCount,
  limits: Deps["enrolment"],
  nowMs: number,
): OpenEnrolmentCount {
  const verdict = countOpenEnrolment(count, limits, nowMs);
  switch (verdict.kind) {
    case "admitted":
      return verdict.counted;
    case "full":
      throw new OtaError(
        "ENROLMENT_CLOSED",
        "this server holds as many devices that came without an enrolment token as it may (--open-enrolments); forget those that are no more, or give the device an enrolment token",
      );
    case "too-many-an-hour":
      throw new OtaError(
        "OVERLOADED",
        "as many devices came without an enrolment token within the hour as may (--open-enrolments-per-hour); try again later, or give the device an enrolment token",
        { details: { retryAfterMs: Math.ceil(verdict.untilMs) } },
      );
  }
}
