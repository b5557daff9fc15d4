import { createClient } from "@connectrpc/connect";
import { holdReasonName } from "@nix-ota/proto/hold-reason";
import { HoldReason } from "@nix-ota/proto/nixota/v1/channel_pb";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";

import { AgentError } from "../agent-error.ts";
import type { Rung } from "../ladder.ts";
import type { Chance, Clock } from "../ports/clock.ts";
import type { Disk } from "../ports/disk.ts";
import type { Server } from "../ports/server.ts";
import type { Log } from "../ports/supervision.ts";
import { isSessionRefusal, readAnswer } from "./answer.ts";
import type { Identity } from "./authenticate.ts";
import { proveOnly } from "./authenticate.ts";
import type { Link, LinkSettings } from "./link.ts";
import { sessionKeeper } from "./session.ts";
import type { TransportSettings } from "./transports.ts";
import { transports } from "./transports.ts";

export interface ServerSettings extends LinkSettings, TransportSettings {
  readonly listingMaxBytes: number;
}

export interface ServerParts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly log: Log;
  readonly stateDir: string;
  readonly identity: Identity;
  readonly transport: "auto" | Rung;
  /** PEM of the authorities that may vouch for the server; undefined: the well-known ones. */
  readonly caCertificates: string | undefined;
  readonly settings: ServerSettings;
}

/**
 * The server over Connect: calls over HTTP/1.1, and what `follow` holds beside them. Every call is
 * limited in time and bytes. When the server refuses the session the device proves itself once more.
 */
export function connectServer(parts: ServerParts): Server {
  const { identity, settings } = parts;
  const ways = transports(identity.serverUrl, parts.caCertificates, settings);
  const narrow = ways.calls(settings.readMaxBytes);
  const checkin = createClient(CheckinService, narrow);
  const checkinAnew = createClient(CheckinService, ways.fresh);
  const channel = createClient(ChannelService, narrow);
  const session = sessionKeeper(parts.disk, parts.clock, parts.stateDir, identity, checkin);
  let held: Link | undefined;

  /** A session that the server does not take is renewed once, e.g. after its key was rotated. */
  const withSession = async <Value>(call: (token: string) => Promise<Value>, signal: AbortSignal) =>
    await readAnswer(async () => {
      try {
        return await call(await session.token(signal));
      } catch (cause) {
        if (!isSessionRefusal(cause)) throw cause;
        session.refused();
        return await call(await session.token(signal));
      }
    }, signal);

  const bearer = (token: string, signal: AbortSignal) => ({
    headers: { authorization: `Bearer ${token}` },
    signal,
  });

  const checkInByCall: Server["checkIn"] = async (report, over, signal) =>
    await withSession(async (token) => {
      const numbered = { ...report, sequence: await session.nextSequence(signal) };
      const client = over === "whatever is open" ? checkin : checkinAnew;
      const { directive } = await client.checkIn({ report: numbered }, bearer(token, signal));
      if (directive === undefined)
        throw new AgentError("tool", "the server answered a report without a directive", undefined);
      return directive;
    }, signal);

  return {
    introduce: async (signal) =>
      await readAnswer(async () => void (await proveOnly(checkin, identity, signal)), signal),
    checkIn: async (...call) => await (held?.checkIn ?? checkInByCall)(...call),
    pushed: async (signal) => await (held === undefined ? ended(signal) : held.pushed(signal)),
    spareNumbers: () => session.spare(),
    rung: () => held?.rung() ?? "poll",
    async follow(closing) {
      if (parts.transport === "poll") return;
      const { link } = await import("./link.ts");
      held = link(
        { ...parts, deviceId: identity.deviceId, call: checkInByCall, session, transports: ways },
        closing,
      );
    },

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
        return {
          hold: holdReasonName(reason),
          explanation: result.value?.explanation ?? "the server gave no reason",
        };
      }, signal),

    listing: async (digest, signal) =>
      await withSession(async (token) => {
        const wide = createClient(ChannelService, ways.calls(settings.listingMaxBytes));
        const { listing } = await wide.getListing({ digest }, bearer(token, signal));
        return listing.length === 0 ? undefined : listing;
      }, signal),

    giveBack: async (envelope, signal) =>
      await withSession(async (token) => {
        const { kept } = await checkin.returnManifest({ envelope }, bearer(token, signal));
        return kept;
      }, signal),
  };
}

async function ended(signal: AbortSignal): Promise<never> {
  return await new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
