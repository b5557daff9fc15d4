import { toBinary, toJsonString } from "@bufbuild/protobuf";
import { ReportSchema } from "@nix-ota/proto/nixota/v1/device_pb";
import { expect, test } from "vitest";

import { EVENTS_PER_REPORT, makeReport } from "./report.ts";
import type { ReportedEvent } from "./reported-event.ts";

/** What the server reads of a device's message. */
const LIMIT_BYTES = 64 * 1024;

const id = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const words = "\u00e4".repeat(2000);
const storePath = `/nix/store/${"a".repeat(32)}-${"b".repeat(211)}`;

const event: ReportedEvent = {
  id,
  number: Number.MAX_SAFE_INTEGER,
  occurredAtS: 4_000_000_000,
  state: "rollingBack",
  message: words,
  attempt: {
    id,
    channel: "c".repeat(63),
    revision: Number.MAX_SAFE_INTEGER,
    storePath,
    state: "rollingBack",
    outcome: "rolled_back",
    failureCode: "HEALTH_FAILED",
    message: words,
    fetch: { pathsDone: 60_000, pathsTotal: 60_000, bytesDone: 2 ** 50, bytesTotal: 2 ** 50 },
    rebootRequired: true,
    elapsedMs: 86_400_001,
  },
};

test("the longest report is one that the server reads: a refused one would be sent for ever", () => {
  const report = makeReport({
    deviceId: "d".repeat(63),
    bootId: id,
    channel: "c".repeat(63),
    target: "t".repeat(63),
    state: "idle",
    attempt: event.attempt,
    links: { running: storePath, booted: storePath, profile: storePath },
    floor: { revision: Number.MAX_SAFE_INTEGER, payloadSha256: "ab".repeat(32) },
    committedRevision: Number.MAX_SAFE_INTEGER,
    agentVersion: "1".repeat(64),
    agentLevel: 99,
    pinnedKeyIds: Array.from({ length: 16 }, () => new Uint8Array(16)),
    inventory: {
      hostname: words,
      system: words,
      nixosVersion: words,
      nixVersion: words,
      kernel: words,
      nixFreeBytes: 2 ** 50,
      nixTotalBytes: 2 ** 50,
    },
    events: Array.from({ length: EVENTS_PER_REPORT }, () => event),
    quarantinedRevisions: Array.from({ length: 32 }, () => Number.MAX_SAFE_INTEGER),
  });
  expect(toBinary(ReportSchema, report).length).toBeLessThan(LIMIT_BYTES);
  expect(Buffer.byteLength(toJsonString(ReportSchema, report))).toBeLessThan(LIMIT_BYTES);
});
