import { create, fromBinary, toJson } from "@bufbuild/protobuf";
import { fromBase64 } from "@nix-ota/proto/hash";
import {
  AttemptSchema,
  DeviceEventSchema,
  ReportSchema,
  type Outcome,
  type Report,
} from "@nix-ota/proto/nixota/v1/device_pb";
import fc from "fast-check";
import { expect, test } from "vitest";

import { reportRow } from "./report-row.ts";

const UINT64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const INT64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const INT32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const TEXT = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("\0", "a\0b", "\u{d800}", "\u{202e}"),
);
const time = fc.record({ seconds: INT64, nanos: INT32 });
const attempt = fc.record({
  id: fc.constantFrom("aaaaaaaa", "bbbbbbbb"),
  channel: fc.constant("prod"),
  revision: UINT64,
  outcome: INT32,
  failureCode: INT32,
  elapsed: time,
});
const report = fc
  .record({
    sequence: UINT64,
    bootId: TEXT,
    agentVersion: TEXT,
    state: INT32,
    committedRevision: UINT64,
    quarantinedRevisions: fc.array(UINT64),
    attempt,
    events: fc.array(
      fc.record({
        id: fc.constantFrom("cccccccc", "dddddddd", "eeeeeeee"),
        number: UINT64,
        occurredAt: time,
        attempt,
      }),
      { maxLength: 6 },
    ),
  })
  .map((fields): Report => create(ReportSchema, fields as object));

test("whatever a device writes fits the columns and can be printed", () => {
  fc.assert(
    fc.property(report, (hostile) => {
      const row = reportRow(hostile, 1);
      const numbers = [row.sequence, row.committedRevision, ...row.quarantinedRevisions];
      for (const number of numbers) expect(number).toBeLessThan(2n ** 63n);
      for (const text of [row.bootId, row.agentVersion]) {
        expect(text).not.toContain("\0");
        expect(text.isWellFormed()).toBe(true);
      }
      expect(new Set(row.events.map(({ eventId }) => eventId)).size).toBe(row.events.length);
      expect(new Set(row.attempts.map(({ attemptId }) => attemptId)).size).toBe(
        row.attempts.length,
      );
      for (const { detail } of row.events) {
        toJson(DeviceEventSchema, fromBinary(DeviceEventSchema, fromBase64(detail)!));
      }
      for (const { detail } of row.attempts) {
        toJson(AttemptSchema, fromBinary(AttemptSchema, fromBase64(detail)!));
      }
    }),
    { numRuns: 500 },
  );
});

test("an attempt counts as it stood last: the report before its events, those by their number", () => {
  const one = (id: string, outcome: Outcome) =>
    create(AttemptSchema, { id, channel: "prod", revision: 1n, outcome });
  const row = reportRow(
    create(ReportSchema, {
      attempt: one("bbbbbbbb", 0),
      events: [
        { id: "33333333", number: 3n, attempt: one("aaaaaaaa", 2) },
        { id: "11111111", number: 1n, attempt: one("aaaaaaaa", 0) },
        { id: "22222222", number: 2n, attempt: one("bbbbbbbb", 3) },
      ],
    }),
    1,
  );
  expect(row.attempts.map(({ attemptId, outcome }) => [attemptId, outcome])).toEqual([
    ["aaaaaaaa", 2],
    ["bbbbbbbb", 0],
  ]);
});

test("fields that the contract does not have are not kept: they would fill lists that hold many devices", () => {
  const padding = [{ no: 2000, wireType: 2, data: new Uint8Array(40_000) }];
  const padded = create(ReportSchema, {
    inventory: { hostname: "gw" },
    attempt: { id: "aaaaaaaa", fetch: { pathsDone: 1 } },
    events: [{ id: "cccccccc", number: 1n, attempt: { id: "aaaaaaaa" } }],
  });
  for (const message of [
    padded.inventory,
    padded.attempt,
    padded.attempt?.fetch,
    padded.events[0],
    padded.events[0]?.attempt,
  ]) {
    if (message !== undefined) message.$unknown = padding;
  }
  const row = reportRow(padded, 1);
  const kept = [row.inventory, ...row.attempts, ...row.events].map((one) =>
    typeof one === "string" ? one : one?.detail,
  );
  expect(Math.max(...kept.map((text) => text?.length ?? 0))).toBeLessThan(100);
});
