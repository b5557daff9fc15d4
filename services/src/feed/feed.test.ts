import { create } from "@bufbuild/protobuf";
import { HoldReason } from "@nix-ota/proto/nixota/v1/channel_pb";
import { DirectiveSchema, type Directive } from "@nix-ota/proto/nixota/v1/device_pb";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { Operator } from "../access/caller.ts";
import { OtaError } from "../ota-error.ts";
import type { DeviceStream } from "./device-stream.ts";
import type { FeedFacts } from "./fan-out.ts";
import { Feed, type FeedOptions } from "./feed.ts";

const MINUTE = 60_000;
const OPERATOR: Operator = {
  kind: "operator",
  name: "reader",
  scopes: ["read"],
  expiresAtMs: undefined,
  credential: { kind: "token", tokenId: "abcdefgh" },
};

/** What is stored. */
let stored: {
  versions: Map<string, bigint>;
  devices: Map<string, FeedFacts>;
  ended: ReadonlySet<Operator>;
  fault: Error | undefined;
};
let queries: (readonly string[])[];
/** When each query began, milliseconds. */
let queriedAtMs: number[];
/** How long a query takes. */
let queryMs: number;
let failures: unknown[];
/** What happens while facts are read. */
let meanwhile: () => void;
let feed: Feed;

beforeEach(() => {
  vi.useFakeTimers();
  stored = {
    versions: new Map([["prod", 1n]]),
    devices: new Map(),
    ended: new Set(),
    fault: undefined,
  };
  [queries, failures, meanwhile] = [[], [], () => undefined];
  [queriedAtMs, queryMs] = [[], 10];
});
afterEach(async () => {
  const stopped = feed.stop();
  await vi.advanceTimersByTimeAsync(2_000);
  await stopped;
  vi.clearAllTimers();
  vi.useRealTimers();
});

async function start(options: Partial<FeedOptions> = {}): Promise<Feed> {
  feed = new Feed({
    openStreams: 10_000,
    streamsPerDevice: 3,
    streamLifeMs: 20 * MINUTE,
    heartbeatMs: 15_000,
    reportsPerStream: 2,
    rereadMs: 15_000,
    batchDevices: 500,
    overloadRetryMs: 2_000,
    readVersions: async () => new Map(stored.versions),
    async findFacts(ids) {
      queries.push(ids);
      queriedAtMs.push(performance.now());
      const found = new Map(
        ids.flatMap((id) => {
          const facts = stored.devices.get(id);
          return facts === undefined ? [] : [[id, facts] as const];
        }),
      );
      await pause(queryMs);
      meanwhile();
      if (stored.fault !== undefined) throw stored.fault;
      return found;
    },
    directive: ({ device, head }) => holdAt(head?.headRevision ?? 0n, device.channel),
    findEnded: async () => stored.ended,
    onFailure: (error) => failures.push(error),
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    random: () => 0.5,
    after(delayMs, run) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
    ...options,
  });
  await feed.start();
  return feed;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A directive that differs by what was published on the channel. */
function holdAt(revision: bigint, channel = "prod"): Directive {
  const value = { reason: HoldReason.UP_TO_DATE, explanation: `r${revision} of ${channel}` };
  return create(DirectiveSchema, { verdict: { case: "hold", value }, nextCheckInMs: 60_000 });
}

function facts(head: bigint, channel = "prod", keyEpoch = 1): FeedFacts {
  return {
    device: {
      channel,
      target: "",
      standing: "accepted",
      system: "",
      floorRevision: 0n,
      committedRevision: 0n,
      quarantinedRevisions: [],
      retryRevision: 0n,
      pinnedRevision: 0n,
    },
    keyEpoch,
    sequence: 1n,
    head: { headRevision: head, paused: false, manifest: undefined },
  };
}

/** What a stream was told, and how it ended. */
interface Heard {
  readonly stream: DeviceStream;
  readonly words: string[];
  readonly ended: Promise<string>;
}

function open(deviceId: string, { reports = false, expiresInS = 3_600 } = {}): Heard {
  const expiresAtS = Math.floor(Date.now() / 1000) + expiresInS;
  const stream = feed.open({ deviceId, keyEpoch: 1, expiresAtS }, { reports });
  const words: string[] = [];
  const read = async () => {
    try {
      for await (const directive of stream.messages()) {
        words.push(directive === undefined ? "heartbeat" : wordOf(directive));
      }
      return "well";
    } catch (error) {
      return error instanceof OtaError ? error.kind : String(error);
    }
  };
  return { stream, words, ended: read() };
}

function wordOf({ verdict }: Directive): string {
  return verdict.case === "hold" ? verdict.value.explanation : "";
}

/** A change that is committed and announced. */
function publish(revision: bigint): void {
  stored.versions.set("prod", revision);
  for (const [id, { keyEpoch }] of stored.devices)
    stored.devices.set(id, facts(revision, "prod", keyEpoch));
  feed.hint();
}

const settle = async () => await vi.advanceTimersByTimeAsync(200);

describe("a stream ends", () => {
  test("between half of its longest life and all of it, by chance", async () => {
    await start({ random: () => 0.25 });
    stored.devices.set("gw", facts(1n));
    const { ended } = open("gw");
    await vi.advanceTimersByTimeAsync(12.5 * MINUTE - 1);
    expect(feed.counts.streams).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect([await ended, feed.counts.streams]).toEqual(["STREAM_ENDED", 0]);
  });

  test("with the session that it was opened with", async () => {
    await start();
    stored.devices.set("gw", facts(1n));
    const { ended } = open("gw", { expiresInS: 30 });
    await vi.advanceTimersByTimeAsync(30_000);
    expect(await ended).toBe("STREAM_ENDED");
  });

  test("when the device's key was replaced, or the device is gone", async () => {
    await start();
    stored.devices.set("gw", facts(1n, "prod", 2));
    const [replaced, gone] = [open("gw"), open("none")];
    await settle();
    expect([await replaced.ended, await gone.ended]).toEqual([
      "CREDENTIAL_INVALID",
      "CREDENTIAL_INVALID",
    ]);
  });

  test("when the device opens more than it may have: the oldest", async () => {
    await start();
    stored.devices.set("gw", facts(1n));
    const streams = [open("gw"), open("gw"), open("gw"), open("gw")];
    await settle();
    expect(await streams[0]?.ended).toBe("STREAM_ENDED");
    expect(streams.map(({ stream }) => stream.ended)).toEqual([true, false, false, false]);
    expect([feed.counts.devices, feed.counts.streams]).toEqual([1, 3]);
  });
});

test("a process that is full takes no more streams, of devices or operators, and says when to come back", async () => {
  await start({ openStreams: 2 });
  open("gw");
  feed.watch(OPERATOR, undefined);
  const refusal = expect.objectContaining({
    kind: "OVERLOADED",
    details: { retryAfterMs: 2_000 },
  }) as unknown;
  expect(() => open("gw-2")).toThrow(refusal);
  expect(() => feed.watch(OPERATOR, undefined)).toThrow(refusal);
});

describe("a change", () => {
  test("is decided about in batches, with a rest as long as each took, and told to whom it is news", async () => {
    await start();
    const ids = Array.from({ length: 1_200 }, (_, index) => `gw-${index}`);
    for (const id of ids) stored.devices.set(id, facts(1n));
    const heard = ids.map((id) => open(id));
    await settle();
    [queries, queriedAtMs, queryMs] = [[], [], 50];
    const beganMs = performance.now();
    publish(2n);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(queries.map(({ length }) => length)).toEqual([500, 500, 200]);
    for (const { words } of heard) expect(words).toEqual(["r1 of prod", "r2 of prod"]);
    expect(feed.counts).toMatchObject({ pushes: 2_400, resynchronisations: 0, waiting: 0 });
    const [first = 0, second = 0, third = 0] = queriedAtMs;
    expect([second - first, third - second].every((ms) => ms >= 2 * queryMs)).toBe(true);
    expect(feed.counts.lastCatchUpMs).toBeGreaterThanOrEqual(5 * queryMs);
    expect(feed.counts.lastCatchUpMs).toBeLessThan(performance.now() - beganMs);
  });

  test("that makes no difference to a device is not told to it", async () => {
    await start();
    stored.devices.set("gw", facts(1n));
    const { words } = open("gw");
    await settle();
    stored.versions.set("prod", 9n);
    feed.hint();
    await settle();
    expect([words, queries.length]).toEqual([["r1 of prod"], 2]);
  });

  test("of a channel with nobody on it keeps nobody else from hearing", async () => {
    await start();
    stored.versions.set("empty", 1n);
    feed.hint();
    await settle();
    stored.devices.set("gw", facts(1n));
    const { words } = open("gw");
    await settle();
    expect(words).toEqual(["r1 of prod"]);
  });

  test("that comes while a device is placed at its channel is not missed", async () => {
    stored.devices.set("gw", facts(1n));
    meanwhile = () => {
      meanwhile = () => undefined;
      stored.devices.set("gw", facts(2n));
      stored.versions.set("prod", 2n);
      feed.hint();
    };
    // The hint is read before the facts come back.
    await start({
      async findFacts(ids) {
        const found = new Map(ids.map((id) => [id, stored.devices.get(id) ?? facts(0n)] as const));
        meanwhile();
        await pause(50);
        return found;
      },
    });
    const { words } = open("gw");
    await settle();
    expect(words).toEqual(["r1 of prod", "r2 of prod"]);
  });

  test("of a device on a channel that nobody made is told after the next reading", async () => {
    await start();
    stored.devices.set("gw", facts(0n, "none"));
    const { ended } = open("gw");
    await settle();
    stored.devices.set("gw", facts(0n, "none", 2));
    await vi.advanceTimersByTimeAsync(15_100);
    expect(await ended).toBe("CREDENTIAL_INVALID");
  });

  test("that the database does not tell of is asked for again", async () => {
    await start();
    stored.devices.set("gw", facts(1n));
    stored.fault = new Error("no database");
    const { words } = open("gw");
    await vi.advanceTimersByTimeAsync(500);
    expect([words, failures]).toEqual([[], [stored.fault]]);
    stored.fault = undefined;
    await vi.advanceTimersByTimeAsync(1_500);
    expect(words).toEqual(["r1 of prod"]);
  });
});

describe("a report", () => {
  test("that is answered while a decision is made has it made again from what is stored then", async () => {
    await start();
    stored.devices.set("gw", facts(1n));
    const { words } = open("gw");
    await settle();
    meanwhile = () => {
      meanwhile = () => undefined;
      stored.devices.set("gw", facts(3n));
      void feed.answering({ deviceId: "gw", channel: "prod" }, async () => holdAt(3n));
    };
    publish(2n);
    await settle();
    // The answer was told by the call; what was read before it is told by nobody.
    expect(words).toEqual(["r1 of prod"]);
    expect(queries.length).toBe(3);
  });

  test("whose answer is older than what was told meanwhile has the device decided about again", async () => {
    await start();
    stored.devices.set("gw", facts(1n));
    const { words } = open("gw");
    await settle();
    const answer = Promise.withResolvers<Directive>();
    const answered = feed.answering({ deviceId: "gw", channel: "prod" }, () => answer.promise);
    publish(2n);
    await settle();
    answer.resolve(holdAt(1n));
    await answered;
    await settle();
    expect(words).toEqual(["r1 of prod", "r2 of prod", "r2 of prod"]);
  });

  test("is not taken while two before it are not acknowledged", async () => {
    await start();
    stored.devices.set("gw", facts(1n));
    const { stream, words } = open("gw", { reports: true });
    const answers = [0, 1].map(() => Promise.withResolvers<Directive>());
    for (const { promise } of answers) stream.report("prod", () => promise);
    let hasRoom = false;
    const room = stream.room().then(() => (hasRoom = true));
    await settle();
    expect([hasRoom, words]).toEqual([false, []]);
    answers[0]?.resolve(holdAt(1n));
    await settle();
    await room;
    expect([hasRoom, words]).toEqual([true, ["r1 of prod"]]);
    answers[1]?.resolve(holdAt(1n));
    await settle();
  });
});

test("an operator whose token ended is let go at the next look, others are not", async () => {
  await start();
  const [reader, other] = [OPERATOR, { ...OPERATOR, name: "other" }];
  const [first, second] = [feed.watch(reader, undefined), feed.watch(other, undefined)];
  const ended = first.changes(60_000).catch((error: unknown) => (error as OtaError).kind);
  const heard = second.changes(30_000);
  stored.ended = new Set([reader]);
  await vi.advanceTimersByTimeAsync(15_000);
  expect(await ended).toBe("STREAM_ENDED");
  await vi.advanceTimersByTimeAsync(15_000);
  expect([await heard, feed.counts.streams]).toEqual([[], 1]);
});

test("an operator hears once of each channel that changed, and of no other than was asked for", async () => {
  await start();
  const all = feed.watch(OPERATOR, undefined);
  const some = feed.watch(OPERATOR, new Set(["edge"]));
  for (const version of [5n, 6n]) {
    stored.versions.set("prod", version);
    feed.hint();
    await settle();
  }
  stored.versions.set("edge", 1n);
  feed.hint();
  await settle();
  expect([await all.changes(1), await some.changes(1)]).toEqual([["prod", "edge"], ["edge"]]);
  const later = all.changes(100);
  await settle();
  expect(await later).toEqual([]);
});
