import { queryObjects } from "node:v8";

import { expect, test } from "vitest";

import { envelope, KEY } from "./manifests.testkit.ts";
import { TestServer } from "./server.testkit.ts";
import { Connection, OpenStream, wordOf } from "./streams.testkit.ts";

const DEVICES = 20;
const STREAMS_PER_DEVICE = 10;
const CONNECTIONS = 2;
const ROUNDS = 12;
/** After these nothing is made for the first time any more: code, pools, buffers. */
const WARM_ROUNDS = 2;

/** What both ends hold: server and clients are this process. */
function held() {
  // Counting collects the garbage first.
  const promises = queryObjects(Promise, { format: "count" });
  return { promises, bytes: process.memoryUsage().heapUsed };
}

test(
  "streams hold no more after they were told many times than before",
  { timeout: 180_000 },
  async () => {
    await using server = await TestServer.start("postgresql", {
      // What is told in time was notified.
      limits: { streamsPerDevice: STREAMS_PER_DEVICE, rereadMs: 3_600_000 },
    });
    using first = new Connection(server.url);
    using second = new Connection(server.url);
    await using opened = new AsyncDisposableStack();
    const streams: OpenStream[] = [];
    for (let index = 0; index < DEVICES; index += 1) {
      const device = await server.device(`gw-${index}`, index + 1);
      for (let count = 0; count < STREAMS_PER_DEVICE; count += 1) {
        const connection = streams.length % CONNECTIONS === 0 ? first : second;
        streams.push(opened.use(OpenStream.watch(connection.checkin(device.token), device.id)));
      }
    }
    const heard = async () =>
      new Set(await Promise.all(streams.map(async (stream) => wordOf(await stream.directive()))));
    expect(await heard()).toEqual(new Set(["hold NO_RELEASE"]));

    let before: ReturnType<typeof held> | undefined;
    for (let round = 1; round <= ROUNDS; round += 1) {
      await server.operator.publish.publish({
        envelopes: [envelope({ revision: BigInt(round) })],
        publicKeys: [{ key: KEY }],
      });
      expect(await heard()).toEqual(new Set([`offer r${round}`]));
      if (round === WARM_ROUNDS) before = held();
    }
    const after = held();
    if (before === undefined) throw new Error("there were too few rounds");
    const messages = (ROUNDS - WARM_ROUNDS) * streams.length;
    // One in ten messages that leaves something behind would be a leak.
    expect(after.promises - before.promises).toBeLessThan(messages / 10);
    expect(after.bytes - before.bytes).toBeLessThan(messages * 1_000);
  },
);
