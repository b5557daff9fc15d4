import { toBinary } from "@bufbuild/protobuf";
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { toBase64, toHex } from "@nix-ota/proto/hash";
import {
  AttemptSchema,
  DeviceEventSchema,
  InventorySchema,
  type Attempt,
  type DeviceEvent,
  type Report,
} from "@nix-ota/proto/nixota/v1/device_pb";

/** A report in the form that batches are written from: one row a table. */
export interface ReportRow {
  readonly deviceId: string;
  /** Of the session; a report under a replaced key is refused. */
  readonly keyEpoch: number;
  readonly sequence: bigint;
  readonly bootId: string;
  readonly channel: string;
  readonly target: string;
  readonly state: number;
  readonly running: string;
  readonly booted: string;
  readonly profile: string;
  readonly floorRevision: bigint;
  /** Hexadecimal. */
  readonly floorSha256: string;
  readonly committedRevision: bigint;
  /** Null: none yet. */
  readonly attemptId: string | null;
  readonly agentVersion: string;
  readonly agentLevel: number;
  /** Hexadecimal. */
  readonly pinnedKeyIds: readonly string[];
  readonly quarantinedRevisions: readonly bigint[];
  /** Base64 of the encoded message; null: as it was. */
  readonly inventory: string | null;
  /** Kind of machine out of the inventory; null: as it was. */
  readonly system: string | null;
  /** Each attempt once, as it stood last; in the order in which they began. */
  readonly attempts: readonly AttemptRow[];
  /** Each event once. */
  readonly events: readonly EventRow[];
}

export interface AttemptRow {
  readonly attemptId: string;
  readonly channel: string;
  readonly revision: bigint;
  readonly outcome: number;
  readonly failureCode: number;
  /** Base64 of the encoded message. */
  readonly detail: string;
}

export interface EventRow {
  readonly eventId: string;
  readonly number: bigint;
  /** Base64 of the encoded message. */
  readonly detail: string;
}

/** About how many bytes a row is on its way to the database. */
export function rowBytes({ inventory, attempts, events }: ReportRow): number {
  const details = [...attempts, ...events].reduce((sum, { detail }) => sum + detail.length, 0);
  return ROW_BYTES + details + (inventory?.length ?? 0);
}

/** A row without details, which are all that a device can make long. */
const ROW_BYTES = 1024;

/**
 * What the contract does not have is bounded by the size of a report alone, and
 * a list of some hundred padded devices would be over what an answer may hold.
 */
const KNOWN_FIELDS = { writeUnknownFields: false };

const MOST_INT8 = 2n ** 63n - 1n;

/**
 * The report without times that no reader could print: the contract's JSON form
 * has years 1 to 9999 and spans of 10 000 years, its binary form takes any.
 */
function withPrintableTimes(report: Report): Report {
  return {
    ...report,
    ...(report.attempt === undefined ? {} : { attempt: printable(report.attempt) }),
    events: report.events.map(({ occurredAt, attempt, ...event }) => ({
      ...event,
      ...(occurredAt !== undefined && isPrintableTime(occurredAt) ? { occurredAt } : {}),
      ...(attempt === undefined ? {} : { attempt: printable(attempt) }),
    })),
  };
}

function printable({ elapsed, ...attempt }: Attempt): Attempt {
  return elapsed !== undefined && isPrintableSpan(elapsed) ? { ...attempt, elapsed } : attempt;
}

function isPrintableTime({ seconds, nanos }: Timestamp): boolean {
  return (
    seconds >= -62_135_596_800n && seconds <= 253_402_300_799n && nanos >= 0 && nanos <= 999_999_999
  );
}

/** A span of an attempt; one that runs backwards is as wrong as one that is too long. */
function isPrintableSpan({ seconds, nanos }: Duration): boolean {
  return seconds >= 0n && seconds <= 315_576_000_000n && nanos >= 0 && nanos <= 999_999_999;
}

/** Turns a valid report into what is written of it. Whatever a device writes can be stored. */
export function reportRow(received: Report, keyEpoch: number): ReportRow {
  const report = withPrintableTimes(received);
  const { links, floor, inventory } = report;
  return {
    deviceId: report.deviceId,
    keyEpoch,
    sequence: int8(report.sequence),
    bootId: storable(report.bootId),
    channel: report.channel,
    target: report.target,
    state: report.state,
    running: storable(links?.running ?? ""),
    booted: storable(links?.booted ?? ""),
    profile: storable(links?.profile ?? ""),
    floorRevision: int8(floor?.revision ?? 0n),
    floorSha256: toHex(floor?.payloadSha256 ?? new Uint8Array()),
    committedRevision: int8(report.committedRevision),
    attemptId: report.attempt?.id ?? null,
    agentVersion: storable(report.agentVersion),
    agentLevel: report.agentLevel,
    pinnedKeyIds: report.pinnedKeyIds.map(toHex),
    quarantinedRevisions: report.quarantinedRevisions.map(int8),
    inventory:
      inventory === undefined ? null : toBase64(toBinary(InventorySchema, inventory, KNOWN_FIELDS)),
    system: inventory === undefined ? null : storable(inventory.system),
    attempts: attemptRows(report),
    events: eventRows(report.events),
  };
}

/** Events tell how attempts stood then; the report itself is the newest. */
function attemptRows({ events, attempt }: Report): readonly AttemptRow[] {
  const inOrder = events.toSorted((a, b) =>
    a.number < b.number ? -1 : Number(a.number > b.number),
  );
  const latest = new Map<string, Attempt>();
  for (const one of [...inOrder.map((event) => event.attempt), attempt]) {
    if (one !== undefined) latest.set(one.id, one);
  }
  return [...latest.values()].map((one) => ({
    attemptId: one.id,
    channel: one.channel,
    revision: int8(one.revision),
    outcome: one.outcome,
    failureCode: one.failureCode,
    detail: toBase64(toBinary(AttemptSchema, one, KNOWN_FIELDS)),
  }));
}

function eventRows(events: readonly DeviceEvent[]): readonly EventRow[] {
  const byId = new Map(events.map((event) => [event.id, event]));
  return [...byId.values()].map((event) => ({
    eventId: event.id,
    number: event.number,
    detail: toBase64(toBinary(DeviceEventSchema, event, KNOWN_FIELDS)),
  }));
}

/** A number that no revision reaches is as wrong as one that does not fit. */
function int8(value: bigint): bigint {
  return value > MOST_INT8 ? MOST_INT8 : value;
}

/** Text without what PostgreSQL's text cannot hold: zero bytes and halves of characters. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\u{fffd}");
}
