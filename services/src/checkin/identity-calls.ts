import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { claimedDeviceId } from "@nix-ota/proto/auth-statement";
import { isSoundPublicKey } from "@nix-ota/proto/ed25519";
import type {
  CheckinService,
  SignedAuthStatement,
} from "@nix-ota/proto/nixota/v1/checkin_service_pb";

import { isOwnChallenge, makeChallenge } from "../access/challenge.ts";
import { issueSession, SESSION_LIFE_S } from "../access/session-token.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import { standingMessage } from "./device-message.ts";
import { enrol } from "./enrol-call.ts";
import { findIdentity, noteKeyConflict, type DeviceIdentity } from "./identity-queries.ts";
import { requireProof } from "./proof.ts";
import { keyConflict, revoked } from "./refusals.ts";

type IdentityCalls = Pick<
  ServiceImpl<typeof CheckinService>,
  "createChallenge" | "enrol" | "authenticate"
>;

/** The calls by which a device proves who it is. */
export function identityCalls(deps: Deps): IdentityCalls {
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
      const { standing, keyEpoch } = await notingConflicts(deps, deviceId, () =>
        enrol(deps, deviceId, request),
      );
      return { standing: standingMessage(standing), keyEpoch };
    },

    async authenticate({ auth }) {
      const deviceId = auth === undefined ? undefined : claimedDeviceId(auth);
      if (deviceId === undefined) {
        throw new OtaError("CREDENTIAL_INVALID", "the statement is not one of a device");
      }
      const identity = await notingConflicts(deps, deviceId, () =>
        requirePinned(deps, deviceId, auth),
      );
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

/** Who the device is, by a proof of the key that is pinned to its id. */
async function requirePinned(
  deps: Deps,
  deviceId: string,
  auth: SignedAuthStatement | undefined,
): Promise<DeviceIdentity> {
  const identity = await findIdentity(deps.db, deviceId);
  if (identity === undefined) {
    throw new OtaError("DEVICE_UNKNOWN", `there is no device ${deviceId}; enrol it`);
  }
  const { publicKey } = identity;
  requireProof(auth, { ...proofRules(deps), publicKey, notSigned: keyConflict(deviceId) });
  return identity;
}

/** At most so often it is written down that another key was presented for an id. */
const CONFLICT_NOTED_EVERY_MS = 60_000;

/**
 * Another key that is presented for a held id is refused, and shown to
 * operators. Who presents keys without end makes one row be written a minute.
 */
async function notingConflicts<T>(
  deps: Deps,
  deviceId: string,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (cause instanceof OtaError && cause.kind === "KEY_CONFLICT") {
      const nowMs = deps.nowMs();
      const since = new Date(nowMs - CONFLICT_NOTED_EVERY_MS);
      await noteKeyConflict(deps.db, deviceId, { now: new Date(nowMs), since });
    }
    throw cause;
  }
}

function proofRules({ publicUrls, sessionKeys, nowMs }: Deps) {
  const now = nowMs();
  return {
    publicUrls,
    isOwnChallenge: (nonce: Uint8Array, deviceId: string) =>
      isOwnChallenge(nonce, deviceId, sessionKeys, now),
  };
}
