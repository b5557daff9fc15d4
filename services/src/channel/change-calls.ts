import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { EnrolmentMode } from "@nix-ota/proto/nixota/v1/channel_pb";
import type {
  ChannelService,
  UpdateChannelRequest,
} from "@nix-ota/proto/nixota/v1/channel_service_pb";

import { recordAudit } from "../access/queries.ts";
import { actorOf, callerOf, requireAdmin, requireOperate } from "../auth.ts";
import { addressOf } from "../call.ts";
import { parkEarlyDevices } from "../checkin/identity-queries.ts";
import type { Deps } from "../deps.ts";
import type { EnrolmentMode as Mode } from "../enrolment-mode.ts";
import { OtaError } from "../ota-error.ts";
import { type ChannelKeys, keyFacts, requireSoundKeys } from "../publish/channel-keys.ts";
import { changeChannel, createChannel, lockChannel, pinKeys } from "../publish/channel-queries.ts";
import { announceHead } from "../publish/queries.ts";
import { requirePlan } from "../publish/rollout-calls.ts";
import { channelUnknown } from "../publish/unknown.ts";
import { channelMessage } from "./channel-message.ts";
import { findChannels } from "./queries.ts";
import type { StoredChannel } from "./stored-channel.ts";

type ChangeCalls = Pick<ServiceImpl<typeof ChannelService>, "createChannel" | "updateChannel">;

/** The calls by which an operator makes and changes channels. */
export function changeCalls(deps: Deps): ChangeCalls {
  const { db } = deps;
  return {
    async createChannel({ name, publicKeys, threshold, enrolment }, context) {
      requireAdmin(context);
      const keys = requireSoundKeys({
        threshold: Math.max(1, threshold),
        keys: publicKeys.map((key) => ({ publicKey: key.key, name: key.name })),
      });
      return await db.transaction().execute(async (transaction) => {
        if (!(await createChannel(transaction, name, keys, MODE[enrolment] ?? null))) {
          throw new OtaError(
            "CHANNEL_EXISTS",
            `there is a channel ${name}; change it with \`nix-ota channel set\``,
          );
        }
        const made = await requireChannel(transaction, name);
        if ((made.enrolment ?? deps.enrolment.mode) !== "open") {
          await parkEarlyDevices(transaction, name);
        }
        await audit(transaction, context, { action: "CreateChannel", name, after: facts(made) });
        await announceHead(transaction, name);
        return { channel: channelMessage(made) };
      });
    },

    async updateChannel(request, context) {
      return { channel: channelMessage(await update(deps, request, context)) };
    },
  };
}

/** By the number of the contract's EnrolmentMode. */
const MODE: Readonly<Record<number, Mode>> = {
  [EnrolmentMode.OPEN]: "open",
  [EnrolmentMode.TOKEN]: "token",
  [EnrolmentMode.APPROVE]: "approve",
};

async function update(
  { db }: Deps,
  request: UpdateChannelRequest,
  context: HandlerContext,
): Promise<StoredChannel> {
  const { name } = request;
  requireChange(request, context);
  const keys = request.keys && wantedKeys(request.keys);
  const plan = request.defaultPlan && requirePlan(request.defaultPlan);
  return await db.transaction().execute(async (transaction) => {
    if (!(await lockChannel(transaction, name))) throw channelUnknown(name);
    const before = await requireChannel(transaction, name);
    if (keys !== undefined && !sameKeys(keys, before)) await pinKeys(transaction, name, keys);
    await changeChannel(transaction, name, {
      paused: request.paused === before.paused ? undefined : request.paused,
      enrolment: MODE[request.enrolment] === before.enrolment ? undefined : MODE[request.enrolment],
      deviceTimeoutMs:
        plan?.deviceTimeoutMs === before.deviceTimeoutMs ? undefined : plan?.deviceTimeoutMs,
    });
    const after = await requireChannel(transaction, name);
    const changed = differing(facts(before), facts(after));
    if (changed === undefined) return after;
    await audit(transaction, context, { action: "UpdateChannel", name, ...changed });
    await announceHead(transaction, name);
    return after;
  });
}

/** Who decides about keys and enrolment decides who is believed: that is an admin's. */
function requireChange(request: UpdateChannelRequest, context: HandlerContext): void {
  const { keys, enrolment } = request;
  if (keys !== undefined || enrolment !== EnrolmentMode.UNSPECIFIED) requireAdmin(context);
  else requireOperate(context, request.name);
}

function wantedKeys({ threshold, publicKeys }: NonNullable<UpdateChannelRequest["keys"]>) {
  return requireSoundKeys({
    threshold,
    keys: publicKeys.map(({ key, name }) => ({ publicKey: key, name })),
  });
}

function sameKeys(wanted: ChannelKeys, before: ChannelKeys): boolean {
  return JSON.stringify(keyFacts(wanted)) === JSON.stringify(keyFacts(before));
}

async function requireChannel(
  db: Parameters<typeof findChannels>[0],
  name: string,
): Promise<StoredChannel> {
  const [channel] = await findChannels(db, { name });
  if (channel === undefined) throw channelUnknown(name);
  return channel;
}

async function audit(
  db: Parameters<typeof recordAudit>[0],
  context: HandlerContext,
  entry: {
    readonly action: string;
    readonly name: string;
    readonly before?: object;
    readonly after: object;
  },
): Promise<void> {
  const { action, name, before, after } = entry;
  await recordAudit(db, {
    actor: actorOf(callerOf(context)),
    action,
    subject: name,
    address: addressOf(context),
    before,
    after,
  });
}

/** What the audit keeps of a channel. */
function facts(channel: StoredChannel): Readonly<Record<string, unknown>> {
  return {
    ...keyFacts(channel),
    paused: channel.paused,
    enrolment: channel.enrolment ?? "default",
    deviceTimeoutMs: String(channel.deviceTimeoutMs),
  };
}

/** The facts that differ, as they were and as they are; undefined: none. */
function differing(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): { readonly before: object; readonly after: object } | undefined {
  const names = Object.keys(after).filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  if (names.length === 0) return undefined;
  const some = (all: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(names.map((name) => [name, all[name]]));
  return { before: some(before), after: some(after) };
}
