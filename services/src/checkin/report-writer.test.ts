import { create } from "@bufbuild/protobuf";
import { ReportSchema } from "@nix-ota/proto/nixota/v1/device_pb";
import fc from "fast-check";
import { expect, test } from "vitest";

import type { OtaError } from "../ota-error.ts";
import { reportRow, type ReportRow } from "./report-row.ts";
import { createReportWriter, type ReportOutcome } from "./report-writer.ts";

const row = (deviceId: string, sequence = 1): ReportRow =>
  reportRow(create(ReportSchema, { deviceId, sequence: BigInt(sequence), channel: "prod" }), 1);

const UNKNOWN: ReportOutcome = { kind: "device-unknown" };
class RowFault extends Error {}

/** A writer whose commits are seen and let through one by one. */
function harness(
  options: {
    queued?: number;
    spoilt?: ReadonlySet<string>;
    batch?: number;
    batchBytes?: number;
    queuedBytes?: number;
  } = {},
) {
  const commits: string[][] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  let open = false;
  let under = 0;
  const writer = createReportWriter({
    commit: async (rows) => {
      under += 1;
      expect(under, "batches under way").toBe(1);
      commits.push(rows.map(({ deviceId, sequence }) => `${deviceId}#${sequence}`));
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      if (open) gate.resolve();
      await gate.promise;
      under -= 1;
      if (rows.some(({ deviceId }) => options.spoilt?.has(deviceId))) throw new RowFault();
      return rows.map(() => UNKNOWN);
    },
    isRowFault: (error) => error instanceof RowFault,
    batchReports: options.batch ?? 3,
    batchBytes: options.batchBytes ?? 1_000_000,
    queuedReports: options.queued ?? 100,
    queuedBytes: options.queuedBytes ?? 1_000_000,
    queuedReportsPerDevice: 2,
    overloadRetryMs: 5,
  });
  return {
    writer,
    commits,
    letThrough() {
      open = true;
      for (const gate of gates) gate.resolve();
    },
  };
}

test("a report alone is written at once, what comes meanwhile is the next batch", async () => {
  const { writer, commits, letThrough } = harness();
  const all = ["a", "b", "c", "d", "e"].map((id) => writer.submit(row(id)));
  expect(commits).toEqual([["a#1"]]);
  letThrough();
  await Promise.all(all);
  expect(commits).toEqual([["a#1"], ["b#1", "c#1", "d#1"], ["e#1"]]);
});

test("a batch is bounded in bytes, and a report that is larger goes alone", async () => {
  // A row is counted with a kibibyte and its details.
  const { writer, commits, letThrough } = harness({ batch: 10, batchBytes: 2_500 });
  const large = { ...row("large"), inventory: "x".repeat(5_000) };
  const all = [row("a"), row("b"), row("c"), large, row("d")].map((one) => writer.submit(one));
  letThrough();
  await Promise.all(all);
  expect(commits).toEqual([["a#1"], ["b#1", "c#1"], ["large#1"], ["d#1"]]);
});

test("a queue that is full of bytes turns reports away as one that is full of reports", async () => {
  const { writer, letThrough } = harness({ queuedBytes: 2_500 });
  const all = ["a", "b", "c"].map((id) => writer.submit(row(id)));
  await expect(writer.submit(row("d"))).rejects.toMatchObject({ kind: "OVERLOADED" });
  letThrough();
  await Promise.all(all);
});

test("no report is answered before its commit", async () => {
  const { writer, letThrough } = harness();
  let answered = false;
  const submitted = writer.submit(row("a")).then(() => (answered = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(answered).toBe(false);
  letThrough();
  await submitted;
});

test("two reports of a device are in two batches, in their order", async () => {
  const { writer, commits, letThrough } = harness();
  const all = [row("x"), row("a", 1), row("a", 2), row("b")].map((one) => writer.submit(one));
  letThrough();
  await Promise.all(all);
  expect(commits).toEqual([["x#1"], ["a#1", "b#1"], ["a#2"]]);
});

test("a row that spoils its batch fails alone", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}$/), { minLength: 1, maxLength: 12 }),
      fc.infiniteStream(fc.boolean()),
      async (ids, coins) => {
        const spoilt = new Set(ids.filter(() => coins.next().value));
        const { writer, letThrough } = harness({ spoilt, batch: 8 });
        const all = ids.map((id) => writer.submit(row(id)));
        letThrough();
        const settled = await Promise.allSettled(all);
        expect(settled.map(({ status }) => status === "rejected")).toEqual(
          ids.map((id) => spoilt.has(id)),
        );
      },
    ),
  );
});

test("a full queue says how long to wait, for all and for one device", async () => {
  const { writer, letThrough } = harness({ queued: 3 });
  const refusedBy = async (...rows: ReportRow[]) => {
    const settled = await Promise.allSettled(rows.map((one) => writer.submit(one)));
    return settled.map((one) => (one.status === "rejected" ? (one.reason as OtaError).details : 0));
  };
  const waiting = [row("under way"), row("a", 1), row("a", 2)].map((one) => writer.submit(one));
  expect(await refusedBy(row("a", 3))).toEqual([{ retryAfterMs: 5 }]);
  waiting.push(writer.submit(row("b")));
  expect(await refusedBy(row("c"))).toEqual([{ retryAfterMs: 5 }]);
  letThrough();
  await Promise.all(waiting);
  await writer.submit(row("a", 3));
});

test("draining waits for what was submitted", async () => {
  const { writer, commits, letThrough } = harness({ batch: 1 });
  const all = ["a", "b", "c"].map((id) => writer.submit(row(id)));
  const drained = writer.drain().then(() => commits.length);
  letThrough();
  expect(await drained).toBe(3);
  await Promise.all(all);
});
