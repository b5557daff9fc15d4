import { queryObjects } from "node:v8";

import { create } from "@bufbuild/protobuf";
import { DirectiveSchema, type Directive } from "@nix-ota/proto/nixota/v1/device_pb";
import { expect, test } from "vitest";

import { DeviceStream } from "./device-stream.ts";

const STREAMS = 1_000;
const ROUNDS = 20;

const offer = (revision: number): Directive =>
  create(DirectiveSchema, { retryRevision: BigInt(revision) });

test("a thousand streams that are told twenty thousand times hold no promise more than before", async () => {
  let timers = 0;
  const streams = Array.from(
    { length: STREAMS },
    (_, index) =>
      new DeviceStream({
        session: { deviceId: `gw-${index}`, keyEpoch: 1, expiresAtS: 3_600 },
        reports: false,
        heartbeatMs: 15_000,
        reportsUnderWay: 2,
        after() {
          timers += 1;
          return () => (timers -= 1);
        },
        decideAgain: () => undefined,
        onEnd: () => undefined,
      }),
  );
  let told = 0;
  const reading = streams.map(async (stream) => {
    for await (const directive of stream.messages()) if (directive !== undefined) told += 1;
  });
  const round = async (revision: number) => {
    for (const stream of streams) stream.decide(stream.beginDecision(), offer(revision));
    await new Promise((resolve) => setImmediate(resolve));
  };
  await round(1);
  const before = queryObjects(Promise, { format: "count" });
  for (let revision = 2; revision <= ROUNDS + 1; revision += 1) await round(revision);
  const after = queryObjects(Promise, { format: "count" });
  expect(told).toBe(STREAMS * (ROUNDS + 1));
  expect(timers).toBe(STREAMS);
  expect(after - before).toBeLessThan(STREAMS);
  for (const stream of streams) stream.end(undefined);
  await Promise.all(reading);
  expect(timers).toBe(0);
});
