import { openAuthStatement } from "@nix-ota/proto/auth-statement";
import type { SignedAuthStatement } from "@nix-ota/proto/nixota/v1/checkin_service_pb";

import { isOwnChallenge } from "../access/challenge.ts";
import type { Deps } from "../deps.ts";
import { OtaError, type ErrorKind } from "../errors.ts";

/**
 * That the holder of `publicKey` signed, for this server and in answer to a
 * challenge of the last minute, to be a device: its id.
 *
 * @param onBadSignature What it means here that the key did not sign.
 * @throws {OtaError} `onBadSignature`, SERVER_URL_MISMATCH or CHALLENGE_EXPIRED.
 */
export function requireProof(
  deps: Deps,
  signed: SignedAuthStatement | undefined,
  publicKey: Uint8Array,
  onBadSignature: { readonly kind: ErrorKind; readonly message: string },
): string {
  const statement = signed === undefined ? undefined : openAuthStatement(signed, publicKey);
  if (statement === undefined) throw new OtaError(onBadSignature.kind, onBadSignature.message);
  const { deviceId, nonce, serverUrl } = statement;
  // A key relayed: another server that was given the signature cannot use it.
  if (!deps.publicUrls.has(serverUrl)) {
    throw new OtaError(
      "SERVER_URL_MISMATCH",
      `${deviceId} signed for ${serverUrl}, which is none of this server's URLs; start it with --public-url ${serverUrl} if it is`,
    );
  }
  // A key replayed: an old signature is worth nothing.
  if (!isOwnChallenge(nonce, deviceId, deps.sessionKeys, deps.nowMs())) {
    throw new OtaError(
      "CHALLENGE_EXPIRED",
      "the challenge is over 60 s old or not this server's; ask for another",
    );
  }
  return deviceId;
}
