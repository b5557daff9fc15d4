import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { toHex } from "@nix-ota/proto/hash";
import {
  ReturnedManifestSchema,
  type ChannelService,
  type RecoverChannelRequest,
  type RecoverChannelResponse,
  type ReturnedManifest,
} from "@nix-ota/proto/nixota/v1/channel_service_pb";

import { recordAudit } from "../access/queries.ts";
import { actorOf, callerOf, requireAdmin } from "../auth.ts";
import { addressOf } from "../call.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import type { ChannelKeys } from "../publish/channel-keys.ts";
import {
  advanceHead,
  changeChannel,
  findChannelKeys,
  lockChannel,
} from "../publish/channel-queries.ts";
import { announceHead, insertRelease, knownListings } from "../publish/queries.ts";
import { channelUnknown } from "../publish/unknown.ts";
import { targetName, verifyReturned, type VerifiedManifest } from "../publish/verify.ts";
import { channelMessage } from "./channel-message.ts";
import { findChannels } from "./queries.ts";
import { dropReturned, findReturned, type StoredReturn } from "./recovery-queries.ts";
import { planRecovery } from "./recovery.ts";

type Db = Parameters<typeof findReturned>[0];
/** A returned manifest with what its envelope says, verified under the keys of today. */
type Found = StoredReturn & { readonly verified: VerifiedManifest };

/** The call that takes back what a restored server lost. */
export function recoverCalls(
  deps: Deps,
): Pick<ServiceImpl<typeof ChannelService>, "recoverChannel"> {
  return {
    async recoverChannel(request, context) {
      requireAdmin(context);
      return await deps.db
        .transaction()
        .execute(async (transaction) => await recover(transaction, request, context));
    },
  };
}

async function recover(
  db: Db,
  { channel: name, dryRun }: RecoverChannelRequest,
  context: HandlerContext,
): Promise<Omit<RecoverChannelResponse, "$typeName">> {
  if (!(await lockChannel(db, name))) throw channelUnknown(name);
  const before = await requireChannel(db, name);
  const releases = await whatToRecover(db, name, before.headRevision);
  const manifests = await messages(db, releases.flat());
  if (dryRun) return { channel: channelMessage(before), manifests };

  const actor = actorOf(callerOf(context));
  for (const release of releases) {
    const { revision } = release[0];
    await advanceHead(db, name, revision);
    await insertRelease(db, {
      channel: name,
      revision,
      manifests: release.map(({ verified }) => verified),
      publishedBy: actor,
      plan: undefined,
    });
  }
  await changeChannel(db, name, { paused: true });
  await dropReturned(db, name);
  const after = await requireChannel(db, name);
  await recordAudit(db, {
    actor,
    action: "RecoverChannel",
    subject: name,
    address: addressOf(context),
    before: { headRevision: String(before.headRevision), paused: before.paused },
    after: {
      headRevision: String(after.headRevision),
      paused: after.paused,
      manifests: releases.flat().map((one) => ({
        revision: String(one.revision),
        target: one.target,
        payloadSha256: toHex(one.payloadSha256),
        deviceId: one.deviceId,
      })),
    },
  });
  await announceHead(db, name);
  return { channel: channelMessage(after), manifests };
}

/**
 * What devices returned above the head, as releases. Each envelope is verified
 * once more: the channel's keys may have changed since it came.
 */
async function whatToRecover(
  db: Db,
  channel: string,
  headRevision: bigint,
): Promise<readonly (readonly [Found, ...Found[]])[]> {
  const keys = await findChannelKeys(db, channel);
  if (keys === undefined || keys.keys.length === 0) {
    throw new OtaError(
      "KEYS_REQUIRED",
      `channel ${channel} has no signing keys to verify by; give it its keys with \`nix-ota channel set\``,
    );
  }
  const found = (await findReturned(db, channel)).flatMap((one) => opened(one, channel, keys));
  const recovery = planRecovery(found, headRevision);
  switch (recovery.kind) {
    case "nothing":
      throw new OtaError(
        "NOTHING_TO_RECOVER",
        `no device returned a manifest of ${channel} above its head, r${headRevision}; devices return theirs when they report, so wait for them`,
      );
    case "conflict": {
      const [one, other] = recovery.manifests;
      throw new OtaError(
        "RECOVERY_CONFLICT",
        `two manifests are signed as r${one.revision} of ${channel} for ${targetName(one.target)}: ${toHex(one.payloadSha256)}, returned by ${one.deviceId}, and ${toHex(other.payloadSha256)}, returned by ${other.deviceId}; find out who signed both, then publish a revision above all that devices verified`,
      );
    }
    case "releases":
      return recovery.releases;
  }
}

function opened(one: StoredReturn, channel: string, keys: ChannelKeys): Found[] {
  const verified = verifyReturned(one.envelope, { channel, keys });
  return "code" in verified ? [] : [{ ...one, verified }];
}

async function messages(db: Db, found: readonly Found[]): Promise<ReturnedManifest[]> {
  const pinned = found
    .map(({ verified }) => verified.manifest.closureDigest)
    .filter((digest) => digest.length > 0);
  const known = new Set((await knownListings(db, pinned)).map(toHex));
  return found.map(({ verified: { manifest }, ...one }) =>
    create(ReturnedManifestSchema, {
      revision: one.revision,
      target: one.target,
      payloadSha256: one.payloadSha256,
      storePath: manifest.storePath,
      deviceId: one.deviceId,
      receivedAt: timestampFromDate(one.receivedAt),
      listingMissing:
        manifest.closureDigest.length > 0 && !known.has(toHex(manifest.closureDigest)),
    }),
  );
}

async function requireChannel(db: Db, name: string) {
  const [channel] = await findChannels(db, { name });
  if (channel === undefined) throw channelUnknown(name);
  return channel;
}
