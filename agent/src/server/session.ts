import type { Client } from "@connectrpc/connect";
import { normalizeServerUrl } from "@nix-ota/proto/auth-statement";
import type { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";

import { AgentError } from "../agent-error.ts";
import type { Clock } from "../ports/clock.ts";
import type { Disk } from "../ports/disk.ts";
import { forgetSession, readSession, writeSession } from "../state/session-cache.ts";
import type { Session } from "../state/session-cache.ts";
import { authenticate } from "./authenticate.ts";
import type { Identity } from "./authenticate.ts";

/** Sequences taken at a time: so many reports between two writes of the session file. */
const SEQUENCE_BLOCK = 1000;

/** The device's session with the server, and the numbers of its reports. */
export interface SessionKeeper {
  /** A token that holds as far as the device can tell; proves who the device is when there is none. */
  token(signal: AbortSignal): Promise<string>;
  /** The server did not take the token: the next one is another. */
  refused(): void;
  /** The number of the next report; asks for a session before the first. */
  nextSequence(signal: AbortSignal): Promise<bigint>;
  /** Numbers that are durably this process's and that it has not used; undefined: it has none. */
  spare(): { readonly next: number; readonly end: number } | undefined;
}

/** Keeps the session on disk, so that `once` need not prove itself at each poll. */
export function sessionKeeper(
  disk: Disk,
  clock: Clock,
  stateDir: string,
  identity: Identity,
  client: Client<typeof CheckinService>,
): SessionKeeper {
  const holder = `${normalizeServerUrl(identity.serverUrl) ?? ""} ${identity.deviceId}`;
  let session: Session | undefined;
  let sequence = 0;
  let durable = true;

  /**
   * A disk that is full must not keep the device from telling so: the session is this process's
   * alone then, and the next one proves itself and counts on from what the server has.
   */
  const keep = async (next: Session): Promise<Session> => {
    session = next;
    try {
      await writeSession(disk, stateDir, next);
      durable = true;
    } catch (cause) {
      if (!(cause instanceof AgentError) || cause.kind !== "state") throw cause;
      durable = false;
      await forgetSession(disk, stateDir);
    }
    return next;
  };

  const open = async (signal: AbortSignal): Promise<Session> => {
    session ??= await readSession(disk, stateDir, holder);
    // The server's word counts; the device's clock may be wrong, and a refusal renews the session too.
    if (session !== undefined && (session.expiresAtS === 0 || clock.wallS() < session.expiresAtS)) {
      if (sequence === 0) sequence = session.sequenceCeiling;
      return session;
    }
    const proven = await authenticate(client, identity, signal);
    sequence = Math.max(sequence, session?.sequenceCeiling ?? 0, proven.lastSequence);
    return await keep({
      token: proven.token,
      expiresAtS: proven.expiresAtS,
      holder,
      sequenceCeiling: sequence,
    });
  };

  return {
    token: async (signal) => (await open(signal)).token,
    refused() {
      if (session !== undefined) session = { ...session, expiresAtS: -1 };
    },
    async nextSequence(signal) {
      const current = await open(signal);
      sequence += 1;
      if (sequence >= current.sequenceCeiling)
        await keep({ ...current, sequenceCeiling: sequence + SEQUENCE_BLOCK });
      return BigInt(sequence);
    },
    spare: () =>
      session === undefined || sequence === 0 || !durable
        ? undefined
        : { next: sequence + 1, end: session.sequenceCeiling },
  };
}
