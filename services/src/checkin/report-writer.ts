import type { DeviceFacts, HeadFacts } from "../channel/offer.ts";
import { OtaError } from "../ota-error.ts";
import type { Standing } from "../standing.ts";
import type { ReportRow } from "./report-row.ts";

/** What became of a report. */
export type ReportOutcome =
  | { readonly kind: "device-unknown" }
  | { readonly kind: "key-replaced" }
  | { readonly kind: "refused"; readonly standing: Standing }
  | {
      readonly kind: "durable";
      /** Highest sequence that is durable under the key. */
      readonly sequence: bigint;
      readonly device: DeviceFacts;
      /** Undefined: there is no such channel. */
      readonly head: HeadFacts | undefined;
    };

/** Makes reports durable, many with one commit. */
export interface ReportWriter {
  /**
   * Resolves when the report is durable, or refused.
   *
   * @throws {OtaError} OVERLOADED when the queue is full; whatever the commit
   * threw, when it failed for this report.
   */
  submit(row: ReportRow): Promise<ReportOutcome>;
  /** Resolves when every report submitted so far is settled. */
  drain(): Promise<void>;
}

export interface ReportWriterOptions {
  /** Makes the rows durable in one transaction; one outcome for each, in order. All or nothing. */
  readonly commit: (rows: readonly ReportRow[]) => Promise<readonly ReportOutcome[]>;
  /** Whether a failed commit is the fault of some row, so that others can be saved from it. */
  readonly isRowFault: (error: unknown) => boolean;
  readonly batchReports: number;
  readonly queuedReports: number;
  readonly queuedReportsPerDevice: number;
  readonly overloadRetryMs: number;
}

interface Waiting {
  readonly row: ReportRow;
  readonly resolve: (outcome: ReportOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One batch is under way at a time, and what arrives meanwhile is the next one:
 * alone a report waits for nothing, and under load the batches grow by
 * themselves. No timer, which would make the first slow and the second slower.
 *
 * A device has at most one report in a batch, so that the order of its reports
 * is the order of commits.
 */
export function createReportWriter(options: ReportWriterOptions): ReportWriter {
  let queue: Waiting[] = [];
  const queuedOf = new Map<string, number>();
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    while (queue.length > 0) {
      const { batch, rest } = takeBatch(queue, options.batchReports);
      queue = rest;
      for (const { row } of batch) count(row.deviceId, -1);
      await settle(batch);
    }
    running = undefined;
  }

  /** A batch that one row spoils is halved until that row is alone. */
  async function settle(batch: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await options.commit(batch.map(({ row }) => row));
      for (const [index, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[index];
        if (outcome === undefined) reject(new OtaError("INTERNAL", "a report has no outcome"));
        else resolve(outcome);
      }
    } catch (error) {
      if (batch.length > 1 && options.isRowFault(error)) {
        const half = Math.ceil(batch.length / 2);
        await settle(batch.slice(0, half));
        await settle(batch.slice(half));
        return;
      }
      for (const { reject } of batch) reject(error);
    }
  }

  function count(deviceId: string, change: 1 | -1): void {
    const queued = (queuedOf.get(deviceId) ?? 0) + change;
    if (queued === 0) queuedOf.delete(deviceId);
    else queuedOf.set(deviceId, queued);
  }

  return {
    submit(row) {
      const full =
        queue.length >= options.queuedReports ||
        (queuedOf.get(row.deviceId) ?? 0) >= options.queuedReportsPerDevice;
      if (full) {
        return Promise.reject(
          new OtaError("OVERLOADED", "too many reports wait to be written; report again later", {
            details: { retryAfterMs: options.overloadRetryMs },
          }),
        );
      }
      return new Promise((resolve, reject) => {
        queue.push({ row, resolve, reject });
        count(row.deviceId, 1);
        running ??= run();
      });
    },
    async drain() {
      await running;
    },
  };
}

/** The oldest reports, of each device only its oldest. */
function takeBatch(queue: readonly Waiting[], most: number): { batch: Waiting[]; rest: Waiting[] } {
  const batch: Waiting[] = [];
  const rest: Waiting[] = [];
  const devices = new Set<string>();
  for (const waiting of queue) {
    const taken = batch.length < most && !devices.has(waiting.row.deviceId);
    (taken ? batch : rest).push(waiting);
    if (taken) devices.add(waiting.row.deviceId);
  }
  return { batch, rest };
}
