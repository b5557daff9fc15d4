import type { Directive, Report } from "@nix-ota/proto/nixota/v1/device_pb";

import type { Operator } from "../access/caller.ts";
import type { Session } from "../access/session-token.ts";
import { OtaError } from "../ota-error.ts";
import { ChannelVersions, type Versions } from "./channel-versions.ts";
import { DeviceStream } from "./device-stream.ts";
import type { After } from "./doorbell.ts";
import { FanOut, type FeedFacts, type PushCounts } from "./fan-out.ts";
import { OperatorStream } from "./operator-stream.ts";
import { OperatorStreams } from "./operator-streams.ts";
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
  /** Which of the operators may call no more. */
  readonly findEnded: (callers: readonly Operator[]) => Promise<ReadonlySet<Operator>>;
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
/** Streams that end together are opened anew over so long. */
const END_WITHIN_MS = 4_000;

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
  readonly #operators: OperatorStreams;

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
      onChange: (channels) => {
        this.#fanOut.changed(channels);
        this.#operators.changed(channels);
      },
      // A channel that nobody made has no version that could rise, though its devices can change.
      onRead: (versions) =>
        this.#fanOut.changed(this.#subscribers.channels().filter((name) => !versions.has(name))),
      onFailure: options.onFailure,
      rereadMs: options.rereadMs,
      after: options.after,
    });
    this.#operators = new OperatorStreams({
      ...options,
      recheckMs: options.rereadMs,
      ended: () => streamEnded("the access of its caller changed"),
    });
  }

  get counts(): FeedCounts {
    const { devices, streams } = this.#subscribers;
    return { ...this.#fanOut.counts, devices, streams: streams + this.#operators.size };
  }

  /** Reads the versions that changes are told from. */
  async start(): Promise<void> {
    await this.#versions.start();
  }

  /** Names of all channels, as last read. */
  channels(): readonly string[] {
    return [...this.#versions.current.keys()];
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
    this.#requireRoom();
    const stream = new DeviceStream({
      session,
      reports,
      heartbeatMs: this.#options.heartbeatMs,
      reportsUnderWay: this.#options.reportsPerStream,
      after: this.#options.after,
      decideAgain: (again) => this.#fanOut.decide(again),
      onEnd: () => {
        cancelLife();
        this.#subscribers.remove(stream);
        this.#fanOut.forget(stream);
      },
    });
    const cancelLife = this.#endInTime(stream, session.expiresAtS * 1000);
    const older = this.#subscribers.ofDevice(session.deviceId);
    const surplus = Math.max(0, older.length + 1 - this.#options.streamsPerDevice);
    for (const one of older.slice(0, surplus)) {
      one.end(streamEnded("the device opened another one"));
    }
    this.#subscribers.add(stream);
    this.#fanOut.decide(stream);
    return stream;
  }

  /**
   * An operator begins to watch.
   *
   * @param channels Those that it hears of; undefined: all.
   * @throws {OtaError} OVERLOADED when the process holds as many streams as it may.
   */
  watch(caller: Operator, channels: ReadonlySet<string> | undefined): OperatorStream {
    this.#requireRoom();
    const stream = new OperatorStream({
      caller,
      channels,
      after: this.#options.after,
      onEnd: () => {
        cancelLife();
        this.#operators.remove(stream);
      },
    });
    const cancelLife = this.#endInTime(stream, caller.expiresAtMs);
    this.#operators.add(stream);
    return stream;
  }

  /** Takes a report that came by a unary call: the device's streams do not repeat its answer. */
  async answering(
    { deviceId, channel }: Pick<Report, "deviceId" | "channel">,
    take: () => Promise<Directive>,
  ): Promise<Directive> {
    const streams = this.#subscribers.ofDevice(deviceId);
    const begun = streams.map((stream) => [stream, stream.beginReport()] as const);
    const directive = await take();
    for (const [stream, at] of begun) stream.answered(at, channel, directive);
    return directive;
  }

  /**
   * Ends the streams of all devices, spread over some seconds: the sessions that
   * opened them may be void. Devices open others with what is good.
   */
  endDevices(): void {
    const { after, random } = this.#options;
    const reason = streamEnded("the keys of sessions changed");
    for (const stream of this.#subscribers.all()) {
      after(random() * END_WITHIN_MS, () => stream.end(reason));
    }
  }

  /** Reads and decides nothing any more. Streams are ended by their calls. */
  async stop(): Promise<void> {
    await Promise.all([this.#versions.stop(), this.#fanOut.stop(), this.#operators.stop()]);
  }

  #requireRoom(): void {
    const { openStreams, overloadRetryMs } = this.#options;
    if (this.#subscribers.streams + this.#operators.size < openStreams) return;
    throw new OtaError("OVERLOADED", "the server holds too many streams; ask by single calls", {
      details: { retryAfterMs: overloadRetryMs },
    });
  }

  /** @returns What keeps it from being ended. */
  #endInTime(stream: { end(reason: Error): void }, expiresAtMs: number | undefined): () => void {
    const { streamLifeMs: longestMs, nowMs, random, after } = this.#options;
    const lifeMs = streamLifeMs({ longestMs, expiresAtMs, nowMs: nowMs(), random: random() });
    return after(lifeMs, () => stream.end(streamEnded("it is open for long enough")));
  }
}

function streamEnded(cause: string): OtaError {
  return new OtaError("STREAM_ENDED", `the stream ends, since ${cause}; open another`);
}
