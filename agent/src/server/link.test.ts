import { setTimeout as delay } from "node:timers/promises";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { Server } from "../ports/server.ts";
import type { ServerParts, ServerSettings } from "./connect-server.ts";
import { loopbackDevice, reportOf } from "./loopback-device.testkit.ts";
import { LoopbackServer } from "./loopback-server.testkit.ts";

let server: LoopbackServer;
let closing: AbortController;
let logged: string[];

beforeEach(async () => {
  server = await LoopbackServer.start();
  closing = new AbortController();
  logged = [];
});

afterEach(async () => {
  closing.abort();
  await server[Symbol.asyncDispose]();
});

async function device(
  transport: ServerParts["transport"] = "auto",
  settings: Partial<ServerSettings> = {},
): Promise<Server> {
  const log = (_level: string, message: string) => void logged.push(message);
  const made = loopbackDevice(server.url, { transport, log, settings });
  await made.follow(closing.signal);
  return made;
}

const ask = async (one: Server, ...ids: string[]) =>
  await one.checkIn(reportOf(...ids), "whatever is open", closing.signal);
const over = () => server.reports.map((one) => one.over);

/** Asks whenever the link rings, as the agent does, until the server is heard over a rung. */
async function settled(one: Server, rung: string): Promise<void> {
  await vi.waitUntil(
    async () => {
      await ask(one);
      return one.rung() === rung;
    },
    { timeout: 8_000, interval: 20 },
  );
}

describe("over HTTP/2", () => {
  test("a report opens the stream, is acknowledged over it, and the next one uses it", async () => {
    const fridge = await device();
    const first = await ask(fridge, "00000001");
    expect(first).toMatchObject({
      got: "answer",
      value: { acknowledgedEventIds: ["00000001"], nextCheckInMs: 300_000 },
    });
    await ask(fridge, "00000002");
    expect(over()).toEqual(["stream", "stream"]);
    expect(server.opened).toEqual(["stream"]);
    expect(fridge.rung()).toBe("stream");
  });

  test("another offer wakes the device, what it knows already does not", async () => {
    const fridge = await device();
    await ask(fridge);
    let woken = 0;
    const sleeping = fridge.pushed(closing.signal).then(() => (woken += 1));
    server.publish(1n);
    await delay(200);
    expect(woken).toBe(0);
    server.publish(2n);
    await sleeping;
    expect(woken).toBe(1);
  });

  test("pushes are acted on no sooner than the device may be asked to poll", async () => {
    const fridge = await device("auto", { pushRestMs: 400 });
    await ask(fridge);
    const before = performance.now();
    for (let revision = 2n; revision < 500n; revision += 1n) server.publish(revision);
    await fridge.pushed(closing.signal);
    expect(performance.now() - before).toBeGreaterThan(350);
  });

  test("a stream that the server ends is opened again, however often, and stays the device's way", async () => {
    const fridge = await device();
    for (let round = 0; round < 5; round += 1) {
      await settled(fridge, "stream");
      server.end("STREAM_ENDED");
      await fridge.pushed(closing.signal);
    }
    await settled(fridge, "stream");
    expect(server.opened).not.toContain("watch");
  });

  test("a report that meets the end of the stream goes by a call, with every event", async () => {
    const fridge = await device();
    await ask(fridge, "00000001");
    server.cut();
    const answer = await ask(fridge, "00000002");
    expect(answer).toMatchObject({
      got: "answer",
      value: { acknowledgedEventIds: ["00000002"] },
    });
    const sequences = server.reports.map((one) => one.report.sequence);
    expect(sequences).toEqual([...new Set(sequences)].toSorted((a, b) => Number(a - b)));
  });

  test("a session that the server does not take any more is renewed without losing the report", async () => {
    const fridge = await device();
    await ask(fridge, "00000001");
    server.behaviour.sessions += 1;
    server.end("CREDENTIAL_INVALID");
    await fridge.pushed(closing.signal);
    const answer = await ask(fridge, "00000002");
    expect(answer.got).toBe("answer");
    await settled(fridge, "stream");
    expect(server.reports.some(({ report: { events } }) => events[0]?.id === "00000002")).toBe(
      true,
    );
  });

  test("a refusal is passed on as a call's, without the call", async () => {
    const fridge = await device();
    server.behaviour.refuseHeld = "PENDING_APPROVAL";
    const answer = await ask(fridge);
    expect(answer).toMatchObject({ got: "refusal", reason: "PENDING_APPROVAL" });
    expect(server.reports).toEqual([]);
    server.behaviour.refuseHeld = undefined;
    await settled(fridge, "stream");
  });

  test("a server that is away is no reason to step down", async () => {
    const fridge = await device();
    await ask(fridge);
    const { port } = server;
    await server.crash();
    for (let round = 0; round < 6; round += 1) {
      expect((await ask(fridge)).got).toBe("silence");
      await delay(45);
    }
    await server.listen(port);
    await settled(fridge, "stream");
    expect(server.opened).toEqual(["stream", "stream"]);
  });

  test("a server that falls silent is given up, and reports go on", async () => {
    const fridge = await device();
    await ask(fridge, "00000001");
    server.behaviour.mute = true;
    await fridge.pushed(closing.signal);
    expect(fridge.rung()).toBe("poll");
    expect(logged.join()).toContain("stream ended: broken");
  });

  test("a proof of contact goes by a connection of its own beside the stream", async () => {
    const fridge = await device();
    await ask(fridge);
    const before = server.connections;
    const answer = await fridge.checkIn(reportOf(), "a connection of its own", closing.signal);
    expect(answer.got).toBe("answer");
    expect(over()).toEqual(["stream", "call"]);
    await vi.waitUntil(() => server.connections === before);
  });

  test("closing lets go of every connection", async () => {
    const fridge = await device();
    await settled(fridge, "stream");
    closing.abort();
    await vi.waitFor(() => {
      expect(server.held).toBe(0);
    });
  });
});

describe("where only HTTP/1.1 passes", () => {
  test("the device steps down at once: the watch pushes, calls report", async () => {
    server.behaviour.http1Only = true;
    const fridge = await device();
    const answer = await ask(fridge, "00000001");
    expect(answer).toMatchObject({ got: "answer", value: { acknowledgedEventIds: ["00000001"] } });
    expect(fridge.rung()).toBe("watch");
    server.publish(2n);
    await fridge.pushed(closing.signal);
    expect(over()).toEqual(["call"]);
  });

  test("and climbs when the path carries HTTP/2 again", async () => {
    server.behaviour.http1Only = true;
    const fridge = await device("auto", { climbFirstMs: 300 });
    await settled(fridge, "watch");
    server.behaviour.http1Only = false;
    await settled(fridge, "stream");
    expect(server.opened.filter((rung) => rung === "stream")).toHaveLength(1);
  });

  test("and polls where a watch says nothing either, twice", async () => {
    server.behaviour.http1Only = true;
    server.behaviour.mute = true;
    const fridge = await device();
    await vi.waitUntil(
      async () => {
        await ask(fridge);
        return logged.some((line) => line === "watch ended: mute");
      },
      { timeout: 8_000 },
    );
    await vi.waitUntil(
      async () => {
        await ask(fridge);
        return logged.filter((line) => line === "watch ended: mute").length === 2;
      },
      { timeout: 8_000 },
    );
    const opened = server.opened.length;
    for (let round = 0; round < 5; round += 1) {
      await ask(fridge);
      await delay(45);
    }
    expect(server.opened).toHaveLength(opened);
    expect(fridge.rung()).toBe("poll");
  });
});

test("connections that are cut again and again end in polling, and no event is lost or doubled", async () => {
  server.behaviour.cutAfterMs = 30;
  const fridge = await device();
  const acknowledged: string[] = [];
  await vi.waitUntil(
    async () => {
      const id = `0000${String(1000 + acknowledged.length)}`;
      const answer = await ask(fridge, id);
      if (answer.got === "answer") acknowledged.push(...answer.value.acknowledgedEventIds);
      await delay(40);
      return logged.filter((line) => line === "watch ended: broken").length === 3;
    },
    { timeout: 9_000 },
  );
  expect(server.opened).toEqual(["stream", "stream", "stream", "watch", "watch", "watch"]);
  expect(acknowledged).toEqual([...new Set(acknowledged)]);
});

test.each(["stream", "watch"] as const)(
  "told to use %s, a device uses nothing else but calls while that is not there",
  async (transport) => {
    server.behaviour.mute = true;
    const fridge = await device(transport);
    for (let round = 0; round < 4; round += 1) {
      expect((await ask(fridge)).got).toBe("answer");
      await vi.waitUntil(() => fridge.rung() === "poll", { timeout: 8_000 });
      await delay(45);
    }
    server.behaviour.mute = false;
    await settled(fridge, transport);
    expect(new Set(server.opened)).toEqual(new Set([transport]));
  },
);

test("told to poll, a device opens nothing", async () => {
  const fridge = await device("poll");
  await ask(fridge);
  expect(server.opened).toEqual([]);
  expect(over()).toEqual(["call"]);
});
