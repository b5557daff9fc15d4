import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { normalizeServerUrl } from "@nix-ota/proto/auth-statement";
import { HoldReason } from "@nix-ota/proto/nixota/v1/channel_pb";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";

import { AgentError } from "../agent-error.ts";
import type { Clock, Disk, Server } from "../ports.ts";
import { readSession, writeSession } from "../state/session-cache.ts";
import type { Session } from "../state/session-cache.ts";
import { readAnswer } from "./answer.ts";
import { authenticate } from "./authenticate.ts";
import type { Identity } from "./authenticate.ts";

/** Sequences taken at a time: so many reports between two writes of the session file. */
const SEQUENCE_BLOCK = 1000;

export interface ServerSettings {
  readonly callMs: number;
  readonly readMaxBytes: number;
  readonly listingMaxBytes: number;
}

/**
 * The server over Connect and HTTP/1.1, which passes every proxy. Every call is limited in time and
 * bytes. The session is kept on disk; when the server refuses it the device proves itself once more.
 */
export function connectServer(
  disk: Disk,
  clock: Clock,
  stateDir: string,
  identity: Identity,
  settings: ServerSettings,
): Server {
  const transport = (readMaxBytes: number) =>
    createConnectTransport({
      baseUrl: identity.serverUrl,
      httpVersion: "1.1",
      defaultTimeoutMs: settings.callMs,
      readMaxBytes,
    });
  const narrow = transport(settings.readMaxBytes);
  const checkin = createClient(CheckinService, narrow);
  const channel = createClient(ChannelService, narrow);
  const holder = `${normalizeServerUrl(identity.serverUrl) ?? ""} ${identity.deviceId}`;

  let session: Session | undefined;
  let sequence = 0;

  const open = async (signal: AbortSignal): Promise<Session> => {
    session ??= await readSession(disk, stateDir, holder);
    // The server's word counts; the device's clock may be wrong, and a refusal renews the session too.
    if (session !== undefined && (session.expiresAtS === 0 || clock.wallS() < session.expiresAtS)) {
      if (sequence === 0) sequence = session.sequenceCeiling;
      return session;
    }
    const proven = await authenticate(checkin, identity, signal);
    sequence = Math.max(sequence, session?.sequenceCeiling ?? 0, proven.lastSequence);
    session = {
      token: proven.token,
      expiresAtS: proven.expiresAtS,
      holder,
      sequenceCeiling: sequence,
    };
    await writeSession(disk, stateDir, session);
    return session;
  };

  const nextSequence = async (current: Session): Promise<bigint> => {
    sequence += 1;
    if (sequence >= current.sequenceCeiling) {
      session = { ...current, sequenceCeiling: sequence + SEQUENCE_BLOCK };
      await writeSession(disk, stateDir, session);
    }
    return BigInt(sequence);
  };

  /** A session that the server does not take is renewed once, e.g. after its key was rotated. */
  const withSession = async <Value>(
    call: (token: string, current: Session) => Promise<Value>,
    signal: AbortSignal,
  ) =>
    await readAnswer(async (isRefusedSession) => {
      const current = await open(signal);
      try {
        return await call(current.token, current);
      } catch (cause) {
        if (!isRefusedSession(cause)) throw cause;
        session = { ...current, expiresAtS: -1 };
        const renewed = await open(signal);
        return await call(renewed.token, renewed);
      }
    }, signal);

  const bearer = (token: string, signal: AbortSignal) => ({
    headers: { authorization: `Bearer ${token}` },
    signal,
  });

  return {
    checkIn: async (report, signal) =>
      await withSession(async (token, current) => {
        const numbered = { ...report, sequence: await nextSequence(current) };
        const { directive } = await checkin.checkIn({ report: numbered }, bearer(token, signal));
        if (directive === undefined)
          throw new AgentError(
            "tool",
            "the server answered a report without a directive",
            undefined,
          );
        return directive;
      }, signal),

    current: async (floorRevision, signal) =>
      await withSession(async (token) => {
        const { result } = await channel.getCurrent(
          {
            channel: identity.channel,
            target: identity.target,
            deviceId: identity.deviceId,
            minRevision: BigInt(floorRevision),
          },
          bearer(token, signal),
        );
        if (result.case === "envelope") return { envelope: result.value };
        const reason = result.value?.reason ?? HoldReason.UNSPECIFIED;
        const hold = (HoldReason as unknown as Record<number, keyof typeof HoldReason>)[reason];
        return {
          hold: hold ?? "UNSPECIFIED",
          explanation: result.value?.explanation ?? "the server gave no reason",
        };
      }, signal),

    listing: async (digest, signal) =>
      await withSession(async (token) => {
        const wide = createClient(ChannelService, transport(settings.listingMaxBytes));
        const { listing } = await wide.getListing({ digest }, bearer(token, signal));
        return listing.length === 0 ? undefined : listing;
      }, signal),
  };
}
