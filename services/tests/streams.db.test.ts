import { Code, ConnectError } from "@connectrpc/connect";
import { EnrolmentMode } from "@nix-ota/proto/nixota/v1/channel_pb";
import { DeviceStanding } from "@nix-ota/proto/nixota/v1/device_pb";
import { reasonOf } from "@nix-ota/proto/reason";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { announceChannels } from "../src/db/announce.ts";
import type { Store } from "../src/db/store.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { envelope, KEY, seed } from "./manifests.testkit.ts";
import { clientsOf, TestDevice, TestServer } from "./server.testkit.ts";
import { Connection, OpenStream, StalledReader, wordOf } from "./streams.testkit.ts";

const LIMITS = { rereadMs: 500, heartbeatMs: 200 };

describe.each(DATABASES)("streams on %s", (kind) => {
  let store: Store;
  let server: TestServer;
  let connection: Connection;
  beforeAll(async () => {
    store = await openTestStore(kind);
    server = await TestServer.on(store, undefined, undefined, LIMITS);
    connection = new Connection(server.url);
  });
  afterAll(async () => {
    connection[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  let count = 0;
  let channel = "";
  beforeEach(() => {
    count += 1;
    channel = `prod-${count}`;
  });

  const publish = (revision: bigint) =>
    server.operator.publish.publish({
      envelopes: [envelope({ channel, revision })],
      publicKeys: [{ key: KEY }],
    });

  /** A device on the test's channel. */
  async function signedIn(id = `gw-${count}`): Promise<{ device: TestDevice; token: string }> {
    const device = await server.device(id, count);
    await device.report({ channel });
    return { device, token: device.token };
  }

  const openStream = (token: string) => OpenStream.stream(connection.checkin(token));
  const openWatch = (token: string, deviceId: string) =>
    OpenStream.watch(clientsOf(server.url, token).checkin, deviceId);

  /** Something that is done without a word to anybody. */
  const setPaused = (paused: boolean) =>
    store.db.updateTable("channel").set({ paused }).where("name", "=", channel).execute();
  /** Something that is done to a device as an operator's call does it. */
  const change = async (deviceId: string, fields: { standing?: "revoked"; key_epoch?: number }) => {
    await store.db.updateTable("device").set(fields).where("id", "=", deviceId).execute();
    await announceChannels(store.db, [channel]);
  };

  test("a report is acknowledged, and a publish told without asking", async () => {
    const { device, token } = await signedIn();
    await using stream = openStream(token);
    stream.send(device.next({ channel }));
    const first = await stream.directive();
    expect([wordOf(first), first.acknowledgedSequence]).toEqual(["hold NO_RELEASE", 2n]);
    await publish(1n);
    const second = await stream.directive();
    expect([wordOf(second), second.acknowledgedSequence]).toEqual(["offer r1", 2n]);
    await publish(2n);
    expect(wordOf(await stream.directive())).toBe("offer r2");
  });

  test("a device that watches over HTTP/1.1 is told at once, and then of each change", async () => {
    const { device, token } = await signedIn();
    await using watch = openWatch(token, device.id);
    expect(wordOf(await watch.directive())).toBe("hold NO_RELEASE");
    await publish(1n);
    expect(wordOf(await watch.directive())).toBe("offer r1");
  });

  test("a change of which nobody was notified is told after the next reading", async () => {
    const { device, token } = await signedIn();
    await publish(1n);
    await using watch = openWatch(token, device.id);
    expect(wordOf(await watch.directive())).toBe("offer r1");
    await setPaused(true);
    expect(wordOf(await watch.directive())).toBe("hold PAUSED");
    await setPaused(false);
    expect(wordOf(await watch.directive())).toBe("offer r1");
  });

  test("what an operator does to the release or the device is told at once", async () => {
    const { device, token } = await signedIn();
    await publish(1n);
    const applied = { committedRevision: 1n, floor: { revision: 1n } };
    await device.report({ channel, ...applied });
    await publish(2n);
    await using watch = openWatch(token, device.id);
    const heard = async () => wordOf(await watch.directive());
    expect(await heard()).toBe("offer r2");
    const { checkin, publish: rollouts, channel: channels } = server.admin;
    await rollouts.pauseRollout({ channel, revision: 2n });
    expect(await heard()).toBe("hold PAUSED");
    await rollouts.resumeRollout({ channel, revision: 2n });
    expect(await heard()).toBe("offer r2");
    await channels.updateChannel({ name: channel, paused: true });
    expect(await heard()).toBe("hold PAUSED");
    await channels.updateChannel({ name: channel, paused: false });
    expect(await heard()).toBe("offer r2");
    const deviceIds = [device.id];
    await checkin.updateDevices({ deviceIds, pinnedRevision: 1n });
    expect(await heard()).toBe("hold PINNED");
    await checkin.updateDevices({ deviceIds, pinnedRevision: 0n });
    expect(await heard()).toBe("offer r2");
    await device.report({ channel, ...applied, quarantinedRevisions: [2n] });
    await checkin.updateDevices({ deviceIds, retryRevision: 2n });
    const retry = await watch.directive();
    expect([wordOf(retry), retry.retryRevision]).toEqual(["offer r2", 2n]);
    await checkin.updateDevices({ deviceIds, standing: DeviceStanding.REVOKED });
    expect(reasonOf(await watch.end())?.reason).toBe("DEVICE_REVOKED");
  });

  test("a device that waits for approval hears that it was accepted", async () => {
    await publish(1n);
    await server.admin.channel.updateChannel({ name: channel, enrolment: EnrolmentMode.APPROVE });
    const device = new TestDevice(server.url, `gw-${count}`, seed(count));
    await device.enrol({ channel });
    const { sessionToken } = await device.authenticate();
    await using watch = openWatch(sessionToken, device.id);
    const pending = await watch.directive();
    expect([wordOf(pending), pending.standing]).toEqual([
      "hold NOT_ENROLLED",
      DeviceStanding.PENDING,
    ]);
    await server.admin.checkin.updateDevices({
      deviceIds: [device.id],
      standing: DeviceStanding.ACCEPTED,
    });
    expect(wordOf(await watch.directive())).toBe("offer r1");
  });

  test("a stream is told nothing before its first report, for the device may have moved on", async () => {
    const { device, token } = await signedIn();
    await publish(1n);
    await using stream = openStream(token);
    expect(await stream.message()).toBeUndefined();
    await publish(2n);
    expect(await stream.message()).toBeUndefined();
    stream.send(device.next({ channel, committedRevision: 2n, floor: { revision: 2n } }));
    expect(wordOf(await stream.directive())).toBe("hold UP_TO_DATE");
  });

  test("reports out of order are acknowledged with the newest that is durable", async () => {
    const { device, token } = await signedIn();
    await using stream = openStream(token);
    for (const sequence of [9n, 4n, 9n, 11n]) stream.send(device.next({ channel, sequence }));
    const acknowledged: bigint[] = [];
    for (let index = 0; index < 4; index += 1) {
      acknowledged.push((await stream.directive()).acknowledgedSequence);
    }
    expect(acknowledged).toEqual([9n, 9n, 9n, 11n]);
  });

  test("every event of a stream is acknowledged by its id, and kept once", async () => {
    const { device, token } = await signedIn();
    await using stream = openStream(token);
    const ids = Array.from({ length: 30 }, (_, index) => `${10_000_000 + index}`);
    for (const id of ids) stream.send(device.next({ channel, events: [{ id }] }));
    const acknowledged: string[] = [];
    while (acknowledged.length < ids.length) {
      acknowledged.push(...(await stream.directive()).acknowledgedEventIds);
    }
    expect(acknowledged).toEqual(ids);
    const { events } = await server.operator.checkin.listDeviceEvents({ deviceId: device.id });
    expect(events.map(({ id }) => id).toSorted()).toEqual(ids);
  });

  test("what a call answered meanwhile is not told again, and what comes later is", async () => {
    const { device, token } = await signedIn();
    await publish(1n);
    await using watch = openWatch(token, device.id);
    expect(wordOf(await watch.directive())).toBe("offer r1");
    const applied = { committedRevision: 1n, floor: { revision: 1n } };
    expect(wordOf(await device.report({ channel, ...applied }))).toBe("hold UP_TO_DATE");
    await publish(2n);
    expect(wordOf(await watch.directive())).toBe("offer r2");
  });

  test("a device that moves to another channel hears of that one", async () => {
    const { device, token } = await signedIn();
    await using watch = openWatch(token, device.id);
    expect(wordOf(await watch.directive())).toBe("hold NO_RELEASE");
    channel = `${channel}-beta`;
    await device.report({ channel });
    await publish(1n);
    expect(wordOf(await watch.directive())).toBe("offer r1");
  });

  test("a heartbeat comes when nothing else does", async () => {
    const { device, token } = await signedIn();
    await using watch = openWatch(token, device.id);
    expect(await watch.message()).toBeDefined();
    expect([await watch.message(), await watch.message()]).toEqual([undefined, undefined]);
  });

  test("a device that sends no more reports is acknowledged what it sent, and the stream ends well", async () => {
    const { device, token } = await signedIn();
    await using stream = openStream(token);
    stream.send(device.next({ channel }));
    stream.send(device.next({ channel }));
    stream.finish();
    expect((await stream.directive()).acknowledgedSequence).toBe(2n);
    expect((await stream.directive()).acknowledgedSequence).toBe(3n);
    expect(await stream.end()).toBeUndefined();
  });

  test.each([
    ["whose access is ended", { standing: "revoked" as const }, "DEVICE_REVOKED"],
    ["whose key is replaced", { key_epoch: 2 }, "CREDENTIAL_INVALID"],
  ])("a device %s is cut off from its open streams", async (_title, fields, reason) => {
    const { device, token } = await signedIn();
    await using stream = openStream(token);
    await using watch = openWatch(token, device.id);
    stream.send(device.next({ channel }));
    await stream.directive();
    await watch.directive();
    await change(device.id, fields);
    const ends = [reasonOf(await stream.end())?.reason, reasonOf(await watch.end())?.reason];
    expect(ends).toEqual([reason, reason]);
    await using late = openStream(token);
    expect(reasonOf(await late.end())?.reason).toBe(reason);
  });

  test("a report that is refused ends the stream with the reason that CheckIn answers", async () => {
    const { device, token } = await signedIn();
    await using stream = openStream(token);
    stream.send(device.next({ channel }));
    await stream.directive();
    stream.send(device.next({ channel, deviceId: "gw-other" }));
    expect(reasonOf(await stream.end())?.reason).toBe("NOT_YOUR_DEVICE");
    await using hostile = openStream(token);
    hostile.send(device.next({ channel: "No Channel" }));
    expect(ConnectError.from(await hostile.end()).code).toBe(Code.InvalidArgument);
  });

  test("a device watches for itself only", async () => {
    const { token } = await signedIn();
    await using watch = openWatch(token, "gw-other");
    expect(reasonOf(await watch.end())?.reason).toBe("NOT_YOUR_DEVICE");
  });

  test("a device has three streams: the oldest ends when it opens another", async () => {
    const { device, token } = await signedIn();
    const watches: OpenStream[] = [];
    for (let index = 0; index < 4; index += 1) {
      const watch = openWatch(token, device.id);
      await watch.directive();
      watches.push(watch);
    }
    const [oldest, ...others] = watches;
    expect(reasonOf(await oldest?.end())?.reason).toBe("STREAM_ENDED");
    await publish(1n);
    for (const watch of others) expect(wordOf(await watch.directive())).toBe("offer r1");
    await Promise.all(watches.map((watch) => watch[Symbol.asyncDispose]()));
  });

  test("a slow reader is given the newest directive and never the ones between", async () => {
    const { device, token } = await signedIn();
    await publish(1n);
    await using reader = await StalledReader.watch(server.url, token, device.id);
    await using beside = openWatch(token, device.id);
    for (const revision of [2n, 3n, 4n]) {
      await beside.directive();
      await publish(revision);
    }
    expect(wordOf(await beside.directive())).toBe("offer r4");
    expect((await reader.read(2)).map(wordOf)).toEqual(["offer r1", "offer r4"]);
  });
});
