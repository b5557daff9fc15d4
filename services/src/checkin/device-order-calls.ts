import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { toHex } from "@nix-ota/proto/hash";
import type {
  CheckinService,
  UpdateDevicesRequest,
} from "@nix-ota/proto/nixota/v1/checkin_service_pb";

import { recordAudit } from "../access/queries.ts";
import { operableChannels } from "../access/scopes.ts";
import { actorOf, callerOf, requireAdmin } from "../auth.ts";
import { addressOf } from "../call.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import { changeDevices, forgetDevices, type OrderOutcome } from "./device-change-queries.ts";
import {
  MOST_TAGS,
  needsAdmin,
  problemWith,
  type DeviceChange,
  type DeviceOrder,
  type Selection,
} from "./device-change.ts";
import { requireFilter, type DeviceFilter } from "./device-filter.ts";
import { standingOf } from "./device-message.ts";

type DeviceOrderCalls = Pick<ServiceImpl<typeof CheckinService>, "updateDevices">;

/** The call by which operators change devices. */
export function deviceOrderCalls(deps: Deps): DeviceOrderCalls {
  return {
    async updateDevices(request, context) {
      const which = readSelection(request);
      const order = readOrder(request, which);
      if (needsAdmin(order)) requireAdmin(context);
      const ordered = {
        which,
        operable: requireOperable(context),
        nowMs: deps.nowMs(),
        isDryRun: request.dryRun,
      };
      return await deps.db.transaction().execute(async (db) => {
        const outcome =
          order.kind === "forget"
            ? await forgetDevices(db, ordered)
            : await changeDevices(db, ordered, order.change);
        requireAllowed(outcome);
        const { deviceCount, deviceIds } = outcome;
        if (!request.dryRun && deviceCount > 0n) {
          await recordAudit(db, audited({ context, request, order, outcome }));
        }
        return { deviceCount, deviceIds: [...deviceIds] };
      });
    },
  };
}

/** A filter without terms would find all: it counts as none. */
function readSelection({ deviceIds, filter: text }: UpdateDevicesRequest): Selection<DeviceFilter> {
  const filter = requireFilter(text);
  if (deviceIds.length > 0 === filter.length > 0) {
    throw invalid("name devices, or give a filter that finds them, and not both; id:* finds all");
  }
  if (filter.length > 0) return { kind: "found", filter };
  return { kind: "named", ids: [...new Set(deviceIds)] };
}

function readOrder(request: UpdateDevicesRequest, which: Selection<DeviceFilter>): DeviceOrder {
  const { addTags, removeTags, pinnedRevision, retryRevision, publicKey } = request;
  const change: DeviceChange = {
    addTags,
    removeTags,
    pinnedRevision,
    retryRevision: retryRevision === 0n ? undefined : retryRevision,
    standing: standingOf(request.standing),
    publicKey: publicKey.length === 0 ? undefined : publicKey,
  };
  const order: DeviceOrder = request.forget ? { kind: "forget" } : { kind: "change", change };
  const isOneId = which.kind === "named" && which.ids.length === 1;
  const problem = problemWith(order, { change, isOneId });
  if (problem !== undefined) throw invalid(problem);
  return order;
}

function requireOperable(context: HandlerContext): "all" | readonly string[] {
  const caller = callerOf(context);
  const channels = caller.kind === "operator" ? operableChannels(caller.scopes) : [];
  if (channels === "all" || channels.length > 0) return channels;
  throw new OtaError("SCOPE_MISSING", "the call needs the scope operate of the devices' channel");
}

/** Undoes the transaction when the order was about a device that it may not be about. */
function requireAllowed({ unknownId, closedChannel, crowdedId }: OrderOutcome): void {
  if (unknownId !== undefined) {
    throw new OtaError("DEVICE_UNKNOWN", `there is no device ${unknownId}; none was changed`);
  }
  if (closedChannel !== undefined) {
    throw new OtaError(
      "SCOPE_MISSING",
      `the call needs the scope operate:${closedChannel}; no device was changed`,
    );
  }
  if (crowdedId !== undefined) {
    throw invalid(`${crowdedId} would have more than ${MOST_TAGS} tags; no device was changed`);
  }
}

function invalid(sentence: string): ConnectError {
  return new ConnectError(sentence, Code.InvalidArgument);
}

/** The order for the audit, with how the first of its devices were: some KiB, however many there are. */
function audited(made: {
  readonly context: HandlerContext;
  readonly request: UpdateDevicesRequest;
  readonly order: DeviceOrder;
  readonly outcome: OrderOutcome;
}) {
  const { context, request, order, outcome } = made;
  const { deviceCount, deviceIds, before } = outcome;
  const [only] = deviceIds;
  return {
    actor: actorOf(callerOf(context)),
    action: "UpdateDevices",
    subject: deviceCount === 1n && only !== undefined ? `device ${only}` : `${deviceCount} devices`,
    address: addressOf(context),
    before: { devices: before },
    after: {
      ...(request.filter === "" ? {} : { filter: request.filter }),
      deviceCount: String(deviceCount),
      deviceIds,
      ...(order.kind === "forget" ? { forgotten: true } : { change: shown(order.change) }),
    },
  };
}

function shown({ publicKey, pinnedRevision, retryRevision, ...change }: DeviceChange): object {
  return {
    ...change,
    ...(pinnedRevision === undefined ? {} : { pinnedRevision: String(pinnedRevision) }),
    ...(retryRevision === undefined ? {} : { retryRevision: String(retryRevision) }),
    ...(publicKey === undefined ? {} : { publicKey: toHex(publicKey) }),
  };
}
