import { fromBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import {
  AgentStateSchema,
  DeviceEventSchema,
  OutcomeSchema,
} from "@nix-ota/proto/nixota/v1/device_pb";

import { requireDevice, requireRead } from "../auth.ts";
import { offer } from "../channel/offer.ts";
import { findCurrent, findDeviceFacts } from "../channel/queries.ts";
import { makeCursor, readCursor } from "../cursor.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import { findSilence } from "../publish/outcome-queries.ts";
import { deviceMessage } from "./device-message.ts";
import { deviceOrderCalls } from "./device-order-calls.ts";
import { findDevices, findEvents } from "./device-queries.ts";
import { directiveMessage } from "./directive.ts";
import { explain } from "./explain.ts";
import { fleetCalls } from "./fleet-calls.ts";
import { fleetWatchCalls } from "./fleet-watch-calls.ts";
import { identityCalls } from "./identity-calls.ts";
import { returnCalls } from "./return-calls.ts";
import type { StoredDevice } from "./stored-device.ts";
import { streamCalls } from "./stream-calls.ts";
import { takeReport } from "./take-report.ts";

const PAGE_SIZE = 50;

/** What CheckinService does; the contract says what each call promises. */
export function checkinService(deps: Deps): Partial<ServiceImpl<typeof CheckinService>> {
  const { db } = deps;
  return {
    ...identityCalls(deps),
    ...streamCalls(deps),
    ...fleetWatchCalls(deps),
    ...fleetCalls(deps),
    ...deviceOrderCalls(deps),
    ...returnCalls(deps),

    async checkIn({ report }, context) {
      const session = requireDevice(context);
      const take = () => takeReport(deps, session, report);
      return {
        directive: await (report === undefined ? take() : deps.feed.answering(report, take)),
      };
    },

    async getDevice({ deviceId }, context) {
      requireRead(context);
      return { device: deviceMessage(await requireStored(deps, deviceId), deps.nowMs()) };
    },

    async listDeviceEvents({ deviceId, pageSize, cursor }, context) {
      requireRead(context);
      const limit = pageSize === 0 ? PAGE_SIZE : pageSize;
      const before = readEventCursor(cursor);
      const events = await findEvents(db, deviceId, { before, limit });
      if (events.length === 0) await requireStored(deps, deviceId);
      const last = events.length === limit ? events.at(-1)?.place : undefined;
      return {
        events: events.map(({ detail, receivedAt }) => ({
          ...fromBinary(DeviceEventSchema, detail),
          receivedAt: timestampFromDate(receivedAt),
        })),
        nextCursor: last === undefined ? "" : makeCursor("ListDeviceEvents", last),
      };
    },

    async explainDevice({ deviceId }, context) {
      requireRead(context);
      return await explainDevice(deps, deviceId);
    },
  };
}

async function explainDevice(deps: Deps, deviceId: string) {
  const stored = await requireStored(deps, deviceId);
  const { status } = stored;
  const facts = await findDeviceFacts(deps.db, deviceId);
  if (facts === undefined) throw unknown(deviceId);
  const head = await findCurrent(deps.db, facts);
  const nowMs = deps.nowMs();
  const device = deviceMessage(stored, nowMs);
  const sentence = explain({
    deviceId,
    channel: facts.channel,
    silentS:
      status === undefined ? undefined : Math.max(0, nowMs - status.lastSeenAt.getTime()) / 1000,
    checkInIntervalS: deps.checkInIntervalMs / 1000,
    decision: offer(facts, head),
    silence: await findSilence(deps.db, deviceId),
    attempt:
      device.attempt === undefined
        ? undefined
        : {
            revision: device.attempt.revision,
            outcome: OutcomeSchema.value[device.attempt.outcome]?.localName ?? "UNKNOWN",
            state: AgentStateSchema.value[device.attempt.state]?.localName ?? "UNKNOWN",
            message: device.attempt.message,
            rebootRequired: device.attempt.rebootRequired,
          },
  });
  const directive = directiveMessage({
    device: facts,
    head,
    acknowledgedSequence: status?.sequence ?? 0n,
    acknowledgedEventIds: [],
    checkInIntervalMs: deps.checkInIntervalMs,
    nowMs,
    random: 0.5,
  });
  return { sentence, device, directive };
}

async function requireStored({ db }: Deps, deviceId: string): Promise<StoredDevice> {
  const [device] = await findDevices(db, { id: deviceId });
  if (device === undefined) throw unknown(deviceId);
  return device;
}

function unknown(deviceId: string): OtaError {
  return new OtaError("DEVICE_UNKNOWN", `there is no device ${deviceId}`);
}

function readEventCursor(text: string): readonly string[] | undefined {
  const place = readCursor("ListDeviceEvents", text, 3);
  const [microseconds = "0", number = "0"] = place ?? [];
  if (/^[0-9]{1,18}$/.test(microseconds) && /^[0-9]{1,20}$/.test(number)) return place;
  throw new OtaError("CURSOR_INVALID", "the cursor is not from this call; begin without one");
}
