import type { ServiceImpl } from "@connectrpc/connect";
import type { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";

import { requireDevice } from "../auth.ts";
import { keepReturned, type ReturnLimits } from "../channel/recovery-queries.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import { findChannelKeys, findHead, lockChannel } from "../publish/channel-queries.ts";
import { channelUnknown } from "../publish/unknown.ts";
import { claimedChannel, rejected, verifyReturned } from "../publish/verify.ts";
import { findIdentity } from "./identity-queries.ts";
import { replaced } from "./refusals.ts";

/** A device has one floor a channel: more than some is somebody who tries what is kept. */
const LIMITS: ReturnLimits = { perDevice: 4, perChannel: 1024 };
/** A channel that is full waits for its recovery by an operator. */
const RETRY_AFTER_MS = 10 * 60_000;

/** The call by which a device gives back what a restored server lost. */
export function returnCalls({
  db,
}: Deps): Pick<ServiceImpl<typeof CheckinService>, "returnManifest"> {
  return {
    async returnManifest({ envelope }, context) {
      const { deviceId, keyEpoch } = requireDevice(context);
      if ((await findIdentity(db, deviceId))?.keyEpoch !== keyEpoch) throw replaced();
      const channel = claimedChannel(envelope);
      if (typeof channel !== "string") throw rejected(channel);
      const keys = await findChannelKeys(db, channel);
      if (keys === undefined) throw channelUnknown(channel);
      const opened = verifyReturned(envelope, { channel, keys });
      if ("code" in opened) throw rejected(opened);
      const { manifest, payloadSha256 } = opened;
      const { revision, target } = manifest;
      if (revision <= (await findHead(db, channel))) return { kept: false };
      const kept = await db.transaction().execute(async (transaction) => {
        await lockChannel(transaction, channel);
        return await keepReturned(
          transaction,
          { channel, revision, target, payloadSha256, envelope, deviceId },
          LIMITS,
        );
      });
      if (kept) return { kept };
      throw new OtaError(
        "OVERLOADED",
        `enough manifests of ${channel} were returned; an admin recovers it with \`nix-ota channel recover ${channel}\``,
        { details: { retryAfterMs: RETRY_AFTER_MS } },
      );
    },
  };
}
