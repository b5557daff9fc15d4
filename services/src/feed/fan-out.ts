import type { Directive } from "@nix-ota/proto/nixota/v1/device_pb";

import type { DeviceFacts, HeadFacts } from "../channel/offer.ts";
import { requireLive } from "../checkin/refusals.ts";
import type { Versions } from "./channel-versions.ts";
import { asError, type DeviceStream } from "./device-stream.ts";
import type { Subscribers } from "./subscribers.ts";

/** What one device is decided by, read at one moment. */
export interface FeedFacts {
  readonly device: DeviceFacts;
  readonly keyEpoch: number;
  /** Of its newest report under that key; 0: none. */
  readonly sequence: bigint;
  /** Undefined: there is no such channel. */
  readonly head: HeadFacts | undefined;
}

export interface FanOutOptions {
  readonly subscribers: Subscribers;
  /** Facts of each device that there is, by id, in one query. */
  readonly findFacts: (deviceIds: readonly string[]) => Promise<ReadonlyMap<string, FeedFacts>>;
  readonly directive: (facts: FeedFacts) => Directive;
  readonly versions: () => Versions;
  readonly onFailure: (error: unknown) => void;
  /** Devices of one query. */
  readonly batchDevices: number;
  /** Before a query that failed is repeated. */
  readonly retryMs: number;
  readonly rest: (ms: number) => Promise<void>;
  readonly monotonicMs: () => number;
}

/** What was pushed since the start. */
export interface PushCounts {
  /** Directives that streams were given by themselves. */
  readonly pushes: number;
  /** Those among them that replaced one that the reader had not read. */
  readonly resynchronisations: number;
  /**
   * From the hint or read that told of the last change to the last stream that
   * was decided about, milliseconds; undefined: nothing has changed yet.
   */
  readonly lastCatchUpMs: number | undefined;
  /** Streams that wait to be decided about. */
  readonly waiting: number;
}

/**
 * Decides anew about connected devices, a batch at a time, and tells those to
 * whom it is news. After each batch it rests as long as the batch took, so that
 * at least half of the database and of this process is left to check-ins.
 */
export class FanOut {
  readonly #options: FanOutOptions;
  readonly #waiting = new Set<DeviceStream>();
  #running: Promise<void> | undefined;
  #stopped = false;
  #changedAtMs: number | undefined;
  #counts = { pushes: 0, resynchronisations: 0 };
  #lastCatchUpMs: number | undefined;

  constructor(options: FanOutOptions) {
    this.#options = options;
  }

  get counts(): PushCounts {
    return {
      ...this.#counts,
      lastCatchUpMs: this.#lastCatchUpMs,
      waiting: this.#waiting.size,
    };
  }

  /** Everybody who follows one of the channels. */
  changed(channels: readonly string[]): void {
    for (const channel of channels) {
      for (const stream of this.#options.subscribers.ofChannel(channel)) this.#waiting.add(stream);
    }
    if (this.#waiting.size > 0) this.#changedAtMs ??= this.#options.monotonicMs();
    this.#run();
  }

  decide(stream: DeviceStream): void {
    this.#waiting.add(stream);
    this.#run();
  }

  forget(stream: DeviceStream): void {
    this.#waiting.delete(stream);
  }

  /** Resolves when no query is under way any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  #run(): void {
    if (this.#stopped || this.#waiting.size === 0) return;
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined;
      // Whoever came after the last look, and found it running still.
      this.#run();
    });
  }

  async #work(): Promise<void> {
    const { batchDevices, monotonicMs, rest, retryMs, onFailure } = this.#options;
    while (this.#waiting.size > 0 && !this.#stopped) {
      const batch = this.#takeBatch(batchDevices);
      const beganMs = monotonicMs();
      try {
        await this.#decideBatch(batch);
        if (this.#waiting.size > 0) await rest(monotonicMs() - beganMs);
      } catch (error) {
        onFailure(error);
        for (const stream of batch) if (!stream.ended) this.#waiting.add(stream);
        await rest(retryMs);
      }
    }
    if (this.#changedAtMs !== undefined) {
      this.#lastCatchUpMs = monotonicMs() - this.#changedAtMs;
      this.#changedAtMs = undefined;
    }
  }

  #takeBatch(size: number): readonly DeviceStream[] {
    const batch: DeviceStream[] = [];
    for (const stream of this.#waiting) {
      if (batch.length === size) break;
      this.#waiting.delete(stream);
      batch.push(stream);
    }
    return batch;
  }

  async #decideBatch(batch: readonly DeviceStream[]): Promise<void> {
    const { findFacts, subscribers, versions } = this.#options;
    const before = versions();
    const begun = new Map(batch.map((stream) => [stream, stream.beginDecision()]));
    const ids = new Set(batch.map(({ session }) => session.deviceId));
    const found = await findFacts([...ids]);
    for (const [stream, begin] of begun) {
      if (stream.ended) continue;
      const facts = found.get(stream.session.deviceId);
      const end = endOfAccess(stream, facts);
      if (facts === undefined || end !== undefined) {
        stream.end(end);
        continue;
      }
      const { channel } = facts.device;
      const moved = subscribers.place(stream, channel);
      this.#tell(stream, begin, this.#options.directive(facts));
      // A change that was noticed before it stood at its channel passed it by.
      if (moved && before.get(channel) !== versions().get(channel)) this.#waiting.add(stream);
    }
  }

  #tell(stream: DeviceStream, begun: number, directive: Directive): void {
    switch (stream.decide(begun, directive)) {
      case "overtaken":
        this.#waiting.add(stream);
        return;
      case "resynchronised":
        this.#counts.resynchronisations += 1;
        this.#counts.pushes += 1;
        return;
      case "told":
        this.#counts.pushes += 1;
        return;
      case "known":
    }
  }
}

/** Why a device may not listen any more; one that waits for approval may, and hears of it. */
function endOfAccess({ session }: DeviceStream, facts: FeedFacts | undefined): Error | undefined {
  try {
    requireLive(session, facts && { keyEpoch: facts.keyEpoch, standing: facts.device.standing });
    return undefined;
  } catch (error) {
    return asError(error);
  }
}
