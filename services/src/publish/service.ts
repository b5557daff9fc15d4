import type { ServiceImpl } from "@connectrpc/connect";
import { toHex } from "@nix-ota/proto/hash";
import { keyId } from "@nix-ota/proto/key-file";
import { listingDigest, parseListing } from "@nix-ota/proto/listing";
import type { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";

import {
  actorOf,
  callerOf,
  requirePublish,
  requirePublishSomewhere,
  requireSeeChannel,
} from "../auth.ts";
import { addressOf } from "../call.ts";
import { makeCursor, readCursor } from "../cursor.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import { diffCalls } from "./diff-calls.ts";
import { publish } from "./publish-call.ts";
import { findUnableDevices, insertListing } from "./queries.ts";
import { releaseMessage } from "./release-message.ts";
import { channelExists, findReleases } from "./release-queries.ts";
import { requirePlan, rolloutCalls } from "./rollout-calls.ts";
import type { StoredRelease } from "./stored-release.ts";
import { channelUnknown, releaseUnknown } from "./unknown.ts";
import { claimedChannel, rejected } from "./verify.ts";

const PAGE_SIZE = 50;
const MOST_UNABLE_DEVICES = 100;

/** What PublishService does; the contract says what each call promises. */
export function publishService(deps: Deps): Partial<ServiceImpl<typeof PublishService>> {
  const { db } = deps;
  return {
    ...diffCalls(deps),
    ...rolloutCalls(deps),

    async publish(request, context) {
      const channel = channelOf(request.envelopes);
      requirePublish(context, channel);
      const plan = request.rollout && requirePlan(request.rollout);
      const published = await publish(deps, {
        channel,
        envelopes: request.envelopes,
        listings: request.listings,
        keys: {
          threshold: Math.max(1, request.threshold),
          keys: request.publicKeys.map(({ key, name }) => ({ publicKey: key, name })),
        },
        plan,
        actor: actorOf(callerOf(context)),
        address: addressOf(context),
      });
      const release = await requireRelease(db, channel, published.revision);
      const keyIds = published.signedBy.map((key) => toHex(keyId(key)));
      return {
        release: releaseMessage(release),
        alreadyPublished: published.alreadyPublished,
        channelCreated: published.channelCreated,
        unableDeviceIds: [...(await findUnableDevices(db, channel, keyIds, MOST_UNABLE_DEVICES))],
      };
    },

    async putListing({ listing }, context) {
      requirePublishSomewhere(context);
      const entries = parseListing(listing);
      if (typeof entries === "string") throw new OtaError("LISTING_MALFORMED", entries);
      const digest = listingDigest(listing);
      await insertListing(db, digest, listing);
      return { digest };
    },

    async getRelease({ channel, revision }, context) {
      requireSeeChannel(context, channel);
      return { release: releaseMessage(await requireRelease(db, channel, revision)) };
    },

    async listReleases({ channel, pageSize, cursor }, context) {
      requireSeeChannel(context, channel);
      const below = readRevision(readCursor("ListReleases", cursor, 1)?.[0]);
      const limit = pageSize === 0 ? PAGE_SIZE : pageSize;
      const releases = await findReleases(db, channel, { below, limit });
      if (releases.length === 0 && !(await channelExists(db, channel)))
        throw channelUnknown(channel);
      const last = releases.length === limit ? releases.at(-1)?.revision : undefined;
      return {
        releases: releases.map(releaseMessage),
        nextCursor:
          last === undefined || last === 1n ? "" : makeCursor("ListReleases", [String(last)]),
      };
    },
  };
}

/** The channel that the first manifest claims; the gate refuses others beside it. */
function channelOf(envelopes: readonly Uint8Array[]): string {
  const [first = new Uint8Array()] = envelopes;
  const channel = claimedChannel(first);
  if (typeof channel === "string") return channel;
  throw rejected(channel);
}

async function requireRelease(
  db: Deps["db"],
  channel: string,
  revision: bigint,
): Promise<StoredRelease> {
  const [release] = await findReleases(db, channel, { exactly: revision });
  if (release !== undefined) return release;
  if (!(await channelExists(db, channel))) throw channelUnknown(channel);
  throw releaseUnknown(channel, revision);
}

function readRevision(text: string | undefined): bigint {
  if (text === undefined) return 0n;
  if (/^[1-9][0-9]{0,15}$/.test(text)) return BigInt(text);
  throw new OtaError("CURSOR_INVALID", "the cursor is not from this call; begin without one");
}
