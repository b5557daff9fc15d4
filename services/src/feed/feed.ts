import type { Directive, Report } from "@nix-ota/proto/nixota/v1/device_pb";

import type { Session } from "../access/session-token.ts";
import { OtaError } from "../ota-error.ts";
import { ChannelVersions, type Versions } from "./channel-versions.ts";
import { DeviceStream } from "./device-stream.ts";
import type { After } from "./doorbell.ts";
import { FanOut, type FeedFacts, type PushCounts } from "./fan-out.ts";
import { streamLifeMs } from "./stream-life.ts";
import { Subscribers } from "./subscribers.ts";

/** Bounds of the feed and its streams. Times in milliseconds. */
export interface FeedLimits {
  readonly openStreams: number;
  readonly streamsPerDevice: number;
  readonly streamLifeMs: number;
  readonly heartbeatMs: number;
  readonly reportsPerStream: number;
  readonly rereadMs: number;
  readonly batchDevices: number;
  readonly overloadRetryMs: number;
}

export interface FeedOptions extends FeedLimits {
  readonly readVersions: () => Promise<Versions>;
  readonly findFacts: (deviceIds: readonly string[]) => Promise<ReadonlyMap<string, FeedFacts>>;
  readonly directive: (facts: FeedFacts) => Directive;
  readonly onFailure: (error: unknown) => void;
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly after: After;
}

/** How the feed fares, for metrics. */
export interface FeedCounts extends PushCounts {
  /** Devices that listen, by Stream or Watch. */
  readonly devices: number;
  /** Streams of devices and operators that are open. */
  readonly streams: number;
}

/** Before a query that failed is repeated. */
const RETRY_MS = 1_000;
/** Least rest between two batches. */
const LEAST_REST_MS = 10;

/**
 * Tells connected devices what they are to do the moment it changes: follows
 * the versions of channels and decides anew about the devices of those that
 * rose.
 */
export class Feed {
  readonly #options: FeedOptions;
  readonly #subscribers = new Subscribers();
  readonly #versions: ChannelVersions;
  readonly #fanOut: FanOut;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#fanOut = new FanOut({
      ...options,
      subscribers: this.#subscribers,
      versions: () => this.#versions.current,
      retryMs: RETRY_MS,
      rest: (ms) =>
        new Promise((resolve) => {
          options.after(Math.max(ms, LEAST_REST_MS), resolve);
        }),
    });
    this.#versions = new ChannelVersions({
      read: options.readVersions,
      onChange: (channels) => this.#fanOut.changed(channels),
      onFailure: options.onFailure,
      rereadMs: options.rereadMs,
      after: options.after,
    });
  }

  get counts(): FeedCounts {
    const { devices, streams } = this.#subscribers;
    return { ...this.#fanOut.counts, devices, streams };
  }

  /** Reads the versions that changes are told from. */
  async start(): Promise<void> {
    await this.#versions.start();
  }

  /** Some channel may have changed: reads the versions at once. */
  hint(): void {
    this.#versions.hint();
  }

  /**
   * A device begins to listen. A device has few streams: beyond them the oldest
   * ends, which is mostly one whose other end is gone without a word. Ending
   * every older one instead would set two machines that share a key on each
   * other, each opening anew what the other's opening ended.
   *
   * @param reports Whether it reports on the stream: then nothing is told before its first report.
   * @throws {OtaError} OVERLOADED when the process holds as many streams as it may.
   */
  open(session: Session, { reports }: { readonly reports: boolean }): DeviceStream {
    const { openStreams, overloadRetryMs, after } = this.#options;
    if (this.#subscribers.streams >= openStreams) {
      throw new OtaError("OVERLOADED", "the server holds too many streams; report by CheckIn", {
        details: { retryAfterMs: overloadRetryMs },
      });
    }
    const stream = new DeviceStream({
      session,
      reports,
      heartbeatMs: this.#options.heartbeatMs,
      reportsUnderWay: this.#options.reportsPerStream,
      after,
      decideAgain: (again) => this.#fanOut.decide(again),
      onEnd: () => {
        cancelLife();
        this.#subscribers.remove(stream);
        this.#fanOut.forget(stream);
      },
    });
    const lifeMs = streamLifeMs({
      longestMs: this.#options.streamLifeMs,
      expiresAtMs: session.expiresAtS * 1000,
      nowMs: this.#options.nowMs(),
      random: this.#options.random(),
    });
    const cancelLife = after(lifeMs, () => stream.end(streamEnded("it is open for long enough")));
    const older = this.#subscribers.ofDevice(session.deviceId);
    for (const one of older.slice(0, older.length + 1 - this.#options.streamsPerDevice)) {
      one.end(streamEnded("the device opened another one"));
    }
    this.#subscribers.add(stream);
    this.#fanOut.decide(stream);
    return stream;
  }

  /** That a unary call answered a device's report: its streams do not repeat it. */
  answered(report: Pick<Report, "deviceId" | "channel">, directive: Directive): void {
    const { deviceId, channel } = report;
    for (const stream of this.#subscribers.ofDevice(deviceId)) stream.answered(channel, directive);
  }

  /** Reads and decides nothing any more. Streams are ended by their calls. */
  async stop(): Promise<void> {
    await Promise.all([this.#versions.stop(), this.#fanOut.stop()]);
  }
}

function streamEnded(cause: string): OtaError {
  return new OtaError("STREAM_ENDED", `the stream ends, since ${cause}; open another`);
}
