import type { DeviceFacts, HeadFacts } from "../channel/offer.ts";
import { OtaError } from "../ota-error.ts";
import type { Standing } from "../standing.ts";
import { rowBytes, type ReportRow } from "./report-row.ts";

/** What became of a report. */
export type ReportOutcome =
  | { readonly kind: "device-unknown" }
  | { readonly kind: "key-replaced" }
  | { readonly kind: "refused"; readonly standing: Exclude<Standing, "accepted"> }
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
  /** How many reports wait for a place in a batch. */
  readonly queued: number;
  /** Resolves when every report submitted so far is settled. */
  drain(): Promise<void>;
}

export interface ReportWriterOptions {
  /** Makes the rows durable in one transaction; one outcome for each, in order. All or nothing. */
  readonly commit: (rows: readonly ReportRow[]) => Promise<readonly ReportOutcome[]>;
  /** Whether a failed commit is the fault of some row, so that others can be saved from it. */
  readonly isRowFault: (error: unknown) => boolean;
  readonly batchReports: number;
  /** Bytes of one batch; a report that is larger goes alone. */
  readonly batchBytes: number;
  readonly queuedReports: number;
  readonly queuedBytes: number;
  readonly queuedReportsPerDevice: number;
  readonly overloadRetryMs: number;
}

interface Waiting {
  readonly row: ReportRow;
  readonly bytes: number;
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
  let queuedBytes = 0;
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    while (queue.length > 0) {
      const { batch, rest } = takeBatch(queue, options);
      queue = rest;
      for (const { row, bytes } of batch) {
        count(row.deviceId, -1);
        queuedBytes -= bytes;
      }
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
      const bytes = rowBytes(row);
      const full =
        queue.length >= options.queuedReports ||
        queuedBytes + bytes > options.queuedBytes ||
        (queuedOf.get(row.deviceId) ?? 0) >= options.queuedReportsPerDevice;
      if (full) {
        return Promise.reject(
          new OtaError("OVERLOADED", "too many reports wait to be written; report again later", {
            details: { retryAfterMs: options.overloadRetryMs },
          }),
        );
      }
      return new Promise((resolve, reject) => {
        queue.push({ row, bytes, resolve, reject });
        count(row.deviceId, 1);
        queuedBytes += bytes;
        running ??= run();
      });
    },
    get queued() {
      return queue.length;
    },
    async drain() {
      await running;
    },
  };
}

/**
 * The oldest reports, of each device only its oldest, up to the limits of a
 * batch. Bytes count as well as rows: one statement of many full reports would
 * hold the embedded database, and with it every call, for seconds.
 */
function takeBatch(
  queue: readonly Waiting[],
  { batchReports, batchBytes }: Pick<ReportWriterOptions, "batchReports" | "batchBytes">,
): { batch: Waiting[]; rest: Waiting[] } {
  const batch: Waiting[] = [];
  const rest: Waiting[] = [];
  const devices = new Set<string>();
  let bytes = 0;
  for (const waiting of queue) {
    const { deviceId } = waiting.row;
    const fits = batch.length === 0 || bytes + waiting.bytes <= batchBytes;
    const taken = fits && batch.length < batchReports && !devices.has(deviceId);
    (taken ? batch : rest).push(waiting);
    // Also where it was left: a later report of the device must not overtake it.
    devices.add(deviceId);
    if (taken) bytes += waiting.bytes;
  }
  return { batch, rest };
}
