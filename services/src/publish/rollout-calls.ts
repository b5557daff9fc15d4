import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { FailureCode } from "@nix-ota/proto/nixota/v1/device_pb";
import type { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import type { RolloutPlan } from "@nix-ota/proto/nixota/v1/rollout_pb";
import { NEVER_RETRIED } from "@nix-ota/proto/retry";

import { recordAudit } from "../access/queries.ts";
import { actorOf, callerOf, requireOperate } from "../auth.ts";
import { addressOf } from "../call.ts";
import { askFailedDevices } from "../checkin/retry-queries.ts";
import type { Deps } from "../deps.ts";
import { channelExists } from "./release-queries.ts";
import { rolloutMessage } from "./rollout-message.ts";
import { readPlan, type StoredPlan } from "./rollout-plan.ts";
import { findRollout, setRolloutState } from "./rollout-queries.ts";
import type { StoredRollout } from "./stored-release.ts";
import { channelUnknown, releaseUnknown } from "./unknown.ts";

type RolloutCalls = Pick<
  ServiceImpl<typeof PublishService>,
  "pauseRollout" | "resumeRollout" | "advanceRollout" | "abortRollout" | "retryFailed"
>;

/** The calls by which an operator steers what is published. */
export function rolloutCalls(deps: Deps): RolloutCalls {
  return {
    async pauseRollout(which, context) {
      const rollout = await steer(deps, context, { ...which, state: "paused" });
      return { rollout: rolloutMessage(rollout) };
    },

    async resumeRollout(which, context) {
      const rollout = await steer(deps, context, { ...which, state: "running" });
      return { rollout: rolloutMessage(rollout) };
    },

    advanceRollout({ channel }, context) {
      requireOperate(context, channel);
      throw withoutWaves("there is no wave to begin");
    },

    abortRollout({ channel }, context) {
      requireOperate(context, channel);
      throw withoutWaves(
        `hold it back with \`nix-ota rollout pause ${channel}\` and publish a higher revision`,
      );
    },

    async retryFailed(which, context) {
      return { deviceCount: await retryFailed(deps, context, which) };
    },
  };
}

function withoutWaves(remedy: string): ConnectError {
  return new ConnectError(
    `this server offers a release to all devices at once; ${remedy}`,
    Code.Unimplemented,
  );
}

/**
 * What a plan comes to.
 *
 * @throws {ConnectError} UNIMPLEMENTED for a plan that this server cannot follow,
 * INVALID_ARGUMENT for one that nobody could.
 */
export function requirePlan(plan: RolloutPlan): StoredPlan {
  const read = readPlan(plan);
  if ("deviceTimeoutMs" in read) return read;
  throw new ConnectError(
    read.sentence,
    read.kind === "unsupported" ? Code.Unimplemented : Code.InvalidArgument,
  );
}

interface Which {
  readonly channel: string;
  /** 0: the head. */
  readonly revision: bigint;
}

async function steer(
  { db }: Deps,
  context: HandlerContext,
  { channel, revision, state }: Which & { readonly state: "running" | "paused" },
): Promise<StoredRollout> {
  requireOperate(context, channel);
  return await db.transaction().execute(async (transaction) => {
    const before = await requireRollout(transaction, { channel, revision });
    const which = { channel, revision: before.revision };
    const changedBy = actorOf(callerOf(context));
    const changed = await setRolloutState(transaction, { ...which, state, changedBy });
    if (!changed) return before;
    await recordAudit(transaction, {
      actor: changedBy,
      action: state === "paused" ? "PauseRollout" : "ResumeRollout",
      subject: `${channel} r${before.revision}`,
      address: addressOf(context),
      before: { state: before.state },
      after: { state },
    });
    return await requireRollout(transaction, which);
  });
}

async function retryFailed({ db }: Deps, context: HandlerContext, which: Which): Promise<bigint> {
  const { channel } = which;
  requireOperate(context, channel);
  return await db.transaction().execute(async (transaction) => {
    const { revision } = await requireRollout(transaction, which);
    const never = NEVER_RETRIED.map((code) => FailureCode[code]);
    const { asked, newlyAsked } = await askFailedDevices(transaction, channel, revision, never);
    if (newlyAsked > 0n) {
      await recordAudit(transaction, {
        actor: actorOf(callerOf(context)),
        action: "RetryFailed",
        subject: `${channel} r${revision}`,
        address: addressOf(context),
        after: { deviceCount: String(newlyAsked) },
      });
    }
    return asked;
  });
}

async function requireRollout(
  db: Parameters<typeof findRollout>[0],
  { channel, revision }: Which,
): Promise<StoredRollout> {
  const rollout = await findRollout(db, channel, revision);
  if (rollout !== undefined) return rollout;
  if (!(await channelExists(db, channel))) throw channelUnknown(channel);
  throw releaseUnknown(channel, revision);
}
