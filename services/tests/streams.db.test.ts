import { reasonOf } from "@nix-ota/proto/reason";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { DATABASES } from "./databases.testkit.ts";
import { envelope, KEY } from "./manifests.testkit.ts";
import { clientsOf, TestServer, type TestDevice } from "./server.testkit.ts";
import { Connection, OpenStream, wordOf } from "./streams.testkit.ts";

describe.each(DATABASES)("streams on %s", (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start(kind);
  });
  afterAll(async () => {
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

  async function signedIn(id: string): Promise<{ device: TestDevice; token: string }> {
    const device = await server.device(`${id}-${count}`, count);
    return { device, token: (await device.authenticate()).sessionToken };
  }

  test("a report is acknowledged and a publish is told without asking", async () => {
    using connection = new Connection(server.url);
    const { device, token } = await signedIn("gw");
    await using stream = OpenStream.stream(connection.checkin(token));
    stream.send(device.next({ channel }));
    const first = await stream.directive();
    expect([wordOf(first), first.acknowledgedSequence]).toEqual(["hold NO_RELEASE", 1n]);
    await publish(1n);
    expect(wordOf(await stream.directive())).toBe("offer r1");
    await publish(2n);
    expect(wordOf(await stream.directive())).toBe("offer r2");
  });

  test("a device that watches over HTTP/1.1 is told at once and then of each change", async () => {
    const { device, token } = await signedIn("gw");
    await device.report({ channel });
    await using watch = OpenStream.watch(clientsOf(server.url, token).checkin, device.id);
    expect(wordOf(await watch.directive())).toBe("hold NO_RELEASE");
    await publish(1n);
    expect(wordOf(await watch.directive())).toBe("offer r1");
  });

  test("a device watches for itself only", async () => {
    const { token } = await signedIn("gw");
    await using watch = OpenStream.watch(clientsOf(server.url, token).checkin, "gw-other");
    expect(reasonOf(await watch.end())).toMatchObject({ reason: "NOT_YOUR_DEVICE" });
  });
});
