import type { ServiceImpl } from "@connectrpc/connect";
import type { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";

import { requireRead } from "../auth.ts";
import { endWithCall } from "../call.ts";
import type { Deps } from "../deps.ts";
import { rolloutMessage } from "../publish/rollout-message.ts";
import { findRollout } from "../publish/rollout-queries.ts";
import { channelMessage } from "./channel-message.ts";
import { findChannels } from "./queries.ts";

/** The call by which operators follow channels. */
export function watchCalls(deps: Deps): Pick<ServiceImpl<typeof ChannelService>, "watchChannel"> {
  return {
    async *watchChannel({ channels }, context) {
      const asked = channels.length === 0 ? undefined : new Set(channels);
      // Before anything is read: what changes in between is read again.
      const stream = deps.feed.watch(requireRead(context), asked);
      endWithCall(stream, context.signal);
      yield {};
      let due: Iterable<string> = asked ?? deps.feed.channels();
      for (;;) {
        // Read one by one as they are written, so that a slow reader gets the newest.
        for (const name of due) {
          const [channel] = await findChannels(deps.db, { name });
          if (channel === undefined) continue;
          const rollout = await findRollout(deps.db, name, 0n);
          yield {
            channel: channelMessage(channel),
            ...(rollout === undefined ? {} : { rollout: rolloutMessage(rollout) }),
          };
        }
        const changed = await stream.changes(deps.heartbeatMs);
        if (changed.length === 0) yield {};
        due = changed;
      }
    },
  };
}
