import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { claimedDeviceId } from "@nix-ota/proto/auth-statement";
import { isSoundPublicKey } from "@nix-ota/proto/ed25519";
import type { CheckinService, EnrolRequest } from "@nix-ota/proto/nixota/v1/checkin_service_pb";

import { isOwnChallenge, makeChallenge } from "../access/challenge.ts";
import { issueSession, SESSION_LIFE_S } from "../access/session-token.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import { standingMessage } from "./device-message.ts";
import { findEnrolmentMode, findIdentity, pinDevice } from "./device-queries.ts";
import { decideEnrolment, type EnrolmentDecision } from "./enrolment.ts";
import { requireProof } from "./proof.ts";

type IdentityCalls = Pick<
  ServiceImpl<typeof CheckinService>,
  "createChallenge" | "enrol" | "authenticate"
>;

/** The calls by which a device proves who it is. */
export function identityCalls(deps: Deps): IdentityCalls {
  const { db } = deps;
  return {
    createChallenge({ deviceId }) {
      return { nonce: makeChallenge(deviceId, deps.sessionKeys, deps.nowMs()) };
    },

    async enrol(request) {
      if (!isSoundPublicKey(request.publicKey)) {
        throw new OtaError("CREDENTIAL_INVALID", "the device's key is not a sound ed25519 key");
      }
      const deviceId = requireProof(request.auth, {
        ...proofRules(deps),
        publicKey: request.publicKey,
        notSigned: new OtaError(
          "CREDENTIAL_INVALID",
          "the statement is not signed by the key presented",
        ),
      });
      const { standing, keyEpoch } = await enrol(deps, deviceId, request);
      return { standing: standingMessage(standing), keyEpoch };
    },

    async authenticate({ auth }) {
      const deviceId = auth === undefined ? undefined : claimedDeviceId(auth);
      if (deviceId === undefined) {
        throw new OtaError("CREDENTIAL_INVALID", "the statement is not one of a device");
      }
      const identity = await findIdentity(db, deviceId);
      if (identity === undefined) {
        throw new OtaError("DEVICE_UNKNOWN", `there is no device ${deviceId}; enrol it`);
      }
      requireProof(auth, {
        ...proofRules(deps),
        publicKey: identity.publicKey,
        notSigned: keyConflict(deviceId),
      });
      const { standing, keyEpoch, lastSequence } = identity;
      if (standing === "revoked" || standing === "rejected") throw revoked(deviceId);
      const expiresAtS = Math.floor(deps.nowMs() / 1000) + SESSION_LIFE_S;
      return {
        sessionToken: issueSession({ deviceId, keyEpoch, expiresAtS }, deps.sessionKeys),
        expiresAt: timestampFromMs(expiresAtS * 1000),
        lastSequence,
        standing: standingMessage(standing),
      };
    },
  };
}

/** Pins an unknown device, or recognises a known one. */
async function enrol(
  { db }: Deps,
  deviceId: string,
  request: EnrolRequest,
): Promise<EnrolmentDecision & { readonly kind: "known" }> {
  const { channel, target, publicKey } = request;
  const mode = await findEnrolmentMode(db, channel);
  let decision = decideEnrolment(publicKey, await findIdentity(db, deviceId), mode);
  if (decision.kind === "pin") {
    const { standing } = decision;
    const pinned = await pinDevice(db, { id: deviceId, publicKey, channel, target, standing });
    if (pinned) return { kind: "known", standing, keyEpoch: 1 };
    // Another call pinned the id in between: what it pinned decides.
    decision = decideEnrolment(publicKey, await findIdentity(db, deviceId), mode);
  }
  switch (decision.kind) {
    case "known":
      return decision;
    case "conflict":
      throw keyConflict(deviceId);
    case "revoked":
      throw revoked(deviceId);
    case "closed":
      throw new OtaError(
        "ENROLMENT_CLOSED",
        `channel ${channel} takes devices by enrolment token, which this server cannot check`,
      );
    case "pin":
      throw new OtaError("DEVICE_UNKNOWN", `${deviceId} was deleted meanwhile; enrol it again`);
  }
}

function revoked(deviceId: string): OtaError {
  return new OtaError("DEVICE_REVOKED", `the access of ${deviceId} was ended by an operator`);
}

function keyConflict(deviceId: string): OtaError {
  return new OtaError(
    "KEY_CONFLICT",
    `${deviceId} is pinned to another key; give the device another id, or have its key replaced`,
  );
}

function proofRules({ publicUrls, sessionKeys, nowMs }: Deps) {
  const now = nowMs();
  return {
    publicUrls,
    isOwnChallenge: (nonce: Uint8Array, deviceId: string) =>
      isOwnChallenge(nonce, deviceId, sessionKeys, now),
  };
}
