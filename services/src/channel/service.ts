import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { toHex } from "@nix-ota/proto/hash";
import type {
  ChannelService,
  GetCurrentRequest,
} from "@nix-ota/proto/nixota/v1/channel_service_pb";

import { callerOf, requireRead, requireSeeChannel } from "../auth.ts";
import { findIdentity } from "../checkin/identity-queries.ts";
import { requireLive } from "../checkin/refusals.ts";
import { makeCursor, readCursor } from "../cursor.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import { rolloutMessage } from "../publish/rollout-message.ts";
import { findRollout } from "../publish/rollout-queries.ts";
import { channelUnknown } from "../publish/unknown.ts";
import { changeCalls } from "./change-calls.ts";
import { channelMessage } from "./channel-message.ts";
import { holdMessage } from "./offer-message.ts";
import {
  factsAt,
  newestFor,
  offer,
  shownTo,
  type OfferDecision,
  type ShownDecision,
} from "./offer.ts";
import {
  findChannels,
  findCurrent,
  findDeviceFacts,
  findFleetFloor,
  findListing,
  type CurrentManifest,
} from "./queries.ts";
import { recoverCalls } from "./recover-calls.ts";
import { watchCalls } from "./watch-calls.ts";

const PAGE_SIZE = 50;

/** What ChannelService does; the contract says what each call promises. */
export function channelService(deps: Deps): Partial<ServiceImpl<typeof ChannelService>> {
  const { db } = deps;
  return {
    ...changeCalls(deps),
    ...recoverCalls(deps),
    ...watchCalls(deps),

    async getCurrent(request, context) {
      const deviceId = deviceAsking(request, context);
      const { decision, current } =
        deviceId === undefined
          ? await newestAsked(deps, request)
          : await offerAsked(deps, { deviceId, request, context });
      if (decision.kind === "hold") {
        return { result: { case: "hold", value: holdMessage(decision) } };
      }
      return { result: { case: "envelope", value: current?.envelope ?? new Uint8Array() } };
    },

    async getListing({ digest }, context) {
      const caller = callerOf(context);
      if (caller.kind !== "device") requireRead(context);
      else requireLive(caller.session, await findIdentity(db, caller.session.deviceId));
      const listing = await findListing(db, digest);
      if (listing !== undefined) return { listing };
      throw new OtaError(
        "LISTING_UNKNOWN",
        `the server does not have the listing ${toHex(digest)}`,
      );
    },

    async getChannel({ name }, context) {
      requireSeeChannel(context, name);
      const [channel] = await findChannels(db, { name });
      if (channel === undefined) throw channelUnknown(name);
      const rollout = await findRollout(db, name, 0n);
      return {
        channel: channelMessage(channel, await findFleetFloor(db, name)),
        ...(rollout === undefined ? {} : { rollout: rolloutMessage(rollout) }),
      };
    },

    async listChannels({ pageSize, cursor }, context) {
      requireRead(context);
      const limit = pageSize === 0 ? PAGE_SIZE : pageSize;
      const [after = ""] = readCursor("ListChannels", cursor, 1) ?? [];
      const channels = await findChannels(db, { after, limit });
      const last = channels.length === limit ? channels.at(-1)?.name : undefined;
      return {
        channels: channels.map((channel) => channelMessage(channel)),
        nextCursor: last === undefined ? "" : makeCursor("ListChannels", [last]),
      };
    },
  };
}

/** Id of the device that asks for itself; undefined for a caller with scope `read`. */
function deviceAsking(request: GetCurrentRequest, context: HandlerContext): string | undefined {
  const caller = callerOf(context);
  if (caller.kind !== "device") {
    requireRead(context);
    return request.deviceId === "" ? undefined : request.deviceId;
  }
  const own = caller.session.deviceId;
  if (request.deviceId === "" || request.deviceId === own) return own;
  throw new OtaError(
    "NOT_YOUR_DEVICE",
    `the session is of ${own}, not of ${request.deviceId}; a device asks for itself`,
  );
}

/** A decision with what it was made on. */
interface Asked {
  readonly decision: OfferDecision | ShownDecision;
  readonly current: CurrentManifest | undefined;
}

async function newestAsked({ db }: Deps, request: GetCurrentRequest): Promise<Asked> {
  const { channel, target, minRevision: floorRevision } = request;
  const current = await findCurrent(db, { channel, target, pinnedRevision: 0n });
  return { decision: newestFor({ channel, target, floorRevision }, current), current };
}

/**
 * What a device is offered. Its channel, target and floor are those it asks
 * with, which are newer than its last report.
 */
async function offerAsked(
  { db }: Deps,
  asked: {
    readonly deviceId: string;
    readonly request: GetCurrentRequest;
    readonly context: HandlerContext;
  },
): Promise<Asked> {
  const { deviceId, request, context } = asked;
  const stored = await findDeviceFacts(db, deviceId);
  const caller = callerOf(context);
  if (caller.kind === "device") requireLive(caller.session, stored);
  const { channel, target, minRevision: floorRevision } = request;
  const facts = stored && factsAt(stored, { channel, target, floorRevision });
  const pinnedRevision = facts?.pinnedRevision ?? 0n;
  const current = await findCurrent(db, { channel, target, pinnedRevision });
  if (facts?.standing === "accepted") {
    const decision = offer(facts, current);
    const hasIt = decision.kind === "hold" && decision.reason === "UP_TO_DATE";
    if (!hasIt) return { decision, current };
  }
  return { decision: shownTo({ channel, target, floorRevision }, current), current };
}
