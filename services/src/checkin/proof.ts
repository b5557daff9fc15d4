import { openAuthStatement } from "@nix-ota/proto/auth-statement";
import type { SignedAuthStatement } from "@nix-ota/proto/nixota/v1/checkin_service_pb";

import { OtaError } from "../ota-error.ts";

/** What a proof is held against. */
export interface ProofRules {
  /** The key that must have signed, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** What it means that it did not. */
  readonly notSigned: OtaError;
  /** Normalised URLs of this server. */
  readonly publicUrls: ReadonlySet<string>;
  /** Whether this server gave the nonce to the device within the last minute. */
  readonly isOwnChallenge: (nonce: Uint8Array, deviceId: string) => boolean;
}

/**
 * That the holder of a key signed, for this server and in answer to its
 * challenge, to be a device: the device's id.
 *
 * @throws {OtaError} `notSigned`, SERVER_URL_MISMATCH or CHALLENGE_EXPIRED.
 */
export function requireProof(signed: SignedAuthStatement | undefined, rules: ProofRules): string {
  const statement = signed === undefined ? undefined : openAuthStatement(signed, rules.publicKey);
  if (statement === undefined) throw rules.notSigned;
  const { deviceId, nonce, serverUrl } = statement;
  // A signature relayed: another server that was given it cannot use it here.
  if (!rules.publicUrls.has(serverUrl)) {
    throw new OtaError(
      "SERVER_URL_MISMATCH",
      `${deviceId} signed for ${serverUrl}, which is none of this server's URLs; start it with --public-url ${serverUrl} if it is`,
    );
  }
  // A signature replayed: an old one is worth nothing.
  if (!rules.isOwnChallenge(nonce, deviceId)) {
    throw new OtaError(
      "CHALLENGE_EXPIRED",
      "the challenge is over 60 s old or not this server's; ask for another",
    );
  }
  return deviceId;
}
