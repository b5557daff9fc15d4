import type { Client } from "@connectrpc/connect";
import { signAuthStatement } from "@nix-ota/proto/auth-statement";
import { publicKeyOf } from "@nix-ota/proto/ed25519";
import type { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { reasonOf } from "@nix-ota/proto/reason";

/** Who the device says it is, and the key that proves it. */
export interface Identity {
  /** As configured: bound into the proof, so that a relayed one is found out. */
  readonly serverUrl: string;
  readonly deviceId: string;
  readonly channel: string;
  /** Empty: none. */
  readonly target: string;
  /** 32 bytes. */
  readonly seed: Uint8Array;
  /** What the device presents to a channel that wants a token; empty: none. Read when it enrols. */
  readonly enrolmentToken: () => Promise<string>;
}

export interface Proven {
  readonly token: string;
  /** Seconds since 1970 UTC by the server's clock. */
  readonly expiresAtS: number;
  /** Highest sequence that the server has under this key. */
  readonly lastSequence: number;
}

/** Proves who the device is and gets a session; a device that the server does not know enrols first. */
export async function authenticate(
  client: Client<typeof CheckinService>,
  identity: Identity,
  signal: AbortSignal,
): Promise<Proven> {
  try {
    return await proveOnly(client, identity, signal);
  } catch (cause) {
    if (reasonOf(cause)?.reason !== "DEVICE_UNKNOWN") throw cause;
    await client.enrol(
      {
        auth: await proof(client, identity, signal),
        publicKey: publicKeyOf(identity.seed),
        channel: identity.channel,
        target: identity.target,
        enrolmentToken: await identity.enrolmentToken(),
      },
      { signal },
    );
    return await proveOnly(client, identity, signal);
  }
}

/** The same for a device that the server knows: no other is enrolled. */
export async function proveOnly(
  client: Client<typeof CheckinService>,
  identity: Identity,
  signal: AbortSignal,
): Promise<Proven> {
  const auth = await proof(client, identity, signal);
  const answer = await client.authenticate({ auth }, { signal });
  return {
    token: answer.sessionToken,
    expiresAtS: Number(answer.expiresAt?.seconds ?? 0n),
    lastSequence: Number(answer.lastSequence),
  };
}

async function proof(
  client: Client<typeof CheckinService>,
  identity: Identity,
  signal: AbortSignal,
) {
  const { nonce } = await client.createChallenge({ deviceId: identity.deviceId }, { signal });
  return signAuthStatement({ ...identity, nonce }, identity.seed);
}
