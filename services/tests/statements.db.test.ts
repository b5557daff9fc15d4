import { createHash } from "node:crypto";

import { AgentState, Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { counting } from "./counting.testkit.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { envelope, KEY, listingOf, storePath } from "./manifests.testkit.ts";
import { clientsOf, type TestDevice, TestServer } from "./server.testkit.ts";
import { Connection, OpenStream } from "./streams.testkit.ts";

const LISTENERS = 20;

/**
 * What each call costs that a fleet makes all day, in statements. The number is a promise: a
 * statement more on a check-in is a hundred thousand a minute for a fleet of that size.
 */
describe.each(DATABASES)("statements on %s", (kind) => {
  let server: TestServer;
  let device: TestDevice;
  let counted: () => number;
  const listing = listingOf(storePath("a"));

  beforeAll(async () => {
    const store = await openTestStore(kind);
    const counter = counting(store.db);
    counted = counter.counted;
    server = await TestServer.on({ ...store, db: counter.db });
    await server.operator.publish.publish({
      envelopes: [envelope({ revision: 1n, closureDigest: listing.digest })],
      listings: [listing.content],
      publicKeys: [{ key: KEY, name: "" }],
    });
    device = await server.device("gw-1");
    await device.report();
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  /**
   * The least of three times: the server reads by itself now and then, and only what a call always
   * takes is its cost.
   */
  async function costOf(call: (time: number) => Promise<unknown>): Promise<number> {
    const costs: number[] = [];
    for (let time = 0; time < 3; time += 1) {
      counted();
      await call(time);
      costs.push(counted());
    }
    return Math.min(...costs);
  }

  const event = (time: number, name: string) => ({
    id: createHash("md5").update(`${name}-${time}`).digest("hex"),
    number: BigInt(time + 1),
  });

  test("of a device's unary calls", async () => {
    const { channel } = device.clients;
    const own = { channel: "prod", deviceId: device.id };
    const attempt = (time: number) => ({
      id: event(time, "attempt").id,
      channel: "prod",
      revision: 1n,
      state: AgentState.IDLE,
      outcome: Outcome.APPLIED,
    });
    expect({
      "CreateChallenge and Authenticate": await costOf(() => device.authenticate()),
      "CheckIn, a heartbeat": await costOf(() => device.report()),
      "CheckIn with an event and an attempt": await costOf((time) =>
        device.report({ attempt: attempt(time), events: [event(time, "unary")] }),
      ),
      GetCurrent: await costOf(() => channel.getCurrent(own)),
      GetListing: await costOf(() => channel.getListing({ digest: listing.digest })),
    }).toEqual({
      "CreateChallenge and Authenticate": 1,
      "CheckIn, a heartbeat": 1,
      "CheckIn with an event and an attempt": 3,
      GetCurrent: 2,
      GetListing: 2,
    });
  });

  test("of reports that come together: three a batch, not three each", async () => {
    const devices = await Promise.all(
      Array.from({ length: LISTENERS }, (_, index) => server.device(`many-${index}`, index + 10)),
    );
    const cost = await costOf((time) =>
      Promise.all(
        devices.map((one) => one.report({ events: [event(time, `together ${one.id}`)] })),
      ),
    );
    // The first goes alone, and the others are one batch or few.
    expect(cost).toBeLessThanOrEqual(2 * LISTENERS);
  });

  test("of streams: a report costs what it costs alone, and a change one look at all who listen", async () => {
    const pause = async (time: number, heard: () => Promise<unknown>) => {
      const told = heard();
      await server.admin.channel.updateChannel({ name: "prod", paused: time % 2 === 0 });
      await told;
    };
    const ofNobody = await costOf((time) => pause(time, async () => undefined));
    await server.admin.channel.updateChannel({ name: "prod", paused: false });

    using connection = new Connection(server.url);
    await using stack = new AsyncDisposableStack();
    const listeners = await Promise.all(
      Array.from({ length: LISTENERS }, async (_, index) => {
        const one = await server.device(`ears-${index}`, index + 40);
        const { sessionToken } = await one.authenticate();
        const stream = stack.use(OpenStream.stream(connection.checkin(sessionToken)));
        const report = async () => {
          stream.send(one.next({}));
          return await stream.directive();
        };
        await report();
        return { stream, report };
      }),
    );
    const [first] = listeners;
    const ofAll = await costOf((time) =>
      pause(time, () => Promise.all(listeners.map(({ stream }) => stream.directive()))),
    );
    expect(await costOf(async () => await first?.report())).toBe(1);
    // All of them are one batch, or two where some are decided about while others come.
    expect(ofAll - ofNobody).toBeLessThanOrEqual(2);
  });

  test("of an operator's calls", async () => {
    const { secret } = await server.admin.access.createToken({
      name: "reader",
      scopes: ["read"],
    });
    const reader = clientsOf(server.url, secret);
    expect({
      GetCaller: await costOf(() => reader.access.getCaller({})),
      GetDevice: await costOf(() => reader.checkin.getDevice({ deviceId: "gw-1" })),
      ListDevices: await costOf(() => reader.checkin.listDevices({})),
    }).toEqual({ GetCaller: 1, GetDevice: 3, ListDevices: 3 });
  });
});
