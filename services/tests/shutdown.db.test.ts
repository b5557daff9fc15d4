import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@nix-ota/proto/reason";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { createPostgresDatabase, DATABASES, type DatabaseKind } from "./databases.testkit.ts";
import { seed } from "./manifests.testkit.ts";
import { ServerProcess } from "./server-process.testkit.ts";
import { clientsOf, TestDevice } from "./server.testkit.ts";
import { Connection, OpenStream } from "./streams.testkit.ts";

const TOKEN = "t".repeat(40);
const DEVICES = 12;
/** With three streams each. */
const STREAMING_DEVICES = 70;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nix-ota-shutdown-"));
  writeFileSync(join(folder, "token"), TOKEN, { mode: 0o600 });
  writeFileSync(join(folder, "admin-token"), "a".repeat(40), { mode: 0o600 });
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** What a server logs that ends without a word of complaint. */
const CALM_LOG = ["database ready", "listening", "ending", "ended"];

async function setUp(kind: DatabaseKind) {
  const env: Record<string, string> =
    kind === "postgresql" ? { DATABASE_URL: await createPostgresDatabase() } : {};
  const files = [
    ...["--data-dir", join(folder, "data")],
    ...["--publish-token-file", join(folder, "token")],
    ...["--admin-token-file", join(folder, "admin-token")],
  ];
  return { env, argv: ["--listen", "127.0.0.1:0", ...files] };
}

async function signedIn(url: string, count: number) {
  return await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const device = new TestDevice(url, `gw-${index}`, seed(index + 1));
      await device.enrol({ channel: "prod" });
      const { sessionToken: token } = await device.authenticate();
      return { device, token };
    }),
  );
}

function eventId(number: number): string {
  return `${10_000_000 + number}`;
}

/** All events of a device that a server has. */
async function eventsOf(url: string, deviceId: string): Promise<readonly string[]> {
  const { checkin } = clientsOf(url, TOKEN);
  const ids: string[] = [];
  for (let cursor = "", first = true; first || cursor !== ""; first = false) {
    const page = await checkin.listDeviceEvents({ deviceId, pageSize: 500, cursor });
    ids.push(...page.events.map(({ id }) => id));
    cursor = page.nextCursor;
  }
  return ids;
}

describe.each(DATABASES)("told to end under load on %s", (kind) => {
  test(
    "the server answers what it took, ends in time and keeps what it acknowledged",
    { timeout: 180_000 },
    async () => {
      const { argv, env } = await setUp(kind);
      const acknowledged = new Map<string, string[]>();
      {
        await using server = await ServerProcess.start(argv, env);
        const devices = await signedIn(server.url, DEVICES);
        const refusals: ConnectError[] = [];
        const loaded = Promise.withResolvers<void>();
        let count = 0;
        const loads = devices.map(async ({ device }) => {
          const mine: string[] = [];
          acknowledged.set(device.id, mine);
          try {
            for (;;) {
              const id = eventId((count += 1));
              await device.report({ events: [{ id, number: BigInt(count) }] });
              mine.push(id);
              if (count > 10 * DEVICES) loaded.resolve();
            }
          } catch (error) {
            refusals.push(ConnectError.from(error));
          }
        });
        await loaded.promise;
        const began = performance.now();
        expect(await server.end("SIGTERM")).toBe(0);
        expect(performance.now() - began).toBeLessThan(25_000);
        await Promise.all(loads);
        // No call was left hanging, and none was told anything but to come back.
        const codes = new Set(refusals.map(({ code }) => Code[code]));
        expect(codes).toEqual(new Set(["Unavailable"]));
        expect(server.log.map(({ msg }) => msg)).toEqual(CALM_LOG);
      }
      await using server = await ServerProcess.start(argv, env);
      for (const [deviceId, ids] of acknowledged) {
        expect(await eventsOf(server.url, deviceId)).toEqual(expect.arrayContaining(ids));
      }
      expect(await server.end("SIGTERM")).toBe(0);
    },
  );

  test(
    "hundreds of streams are told to come back, and nothing that was acknowledged on them is lost",
    { timeout: 180_000 },
    async () => {
      const { argv, env } = await setUp(kind);
      const acknowledged = new Map<string, string[]>();
      {
        await using server = await ServerProcess.start(argv, env);
        const devices = await signedIn(server.url, STREAMING_DEVICES);
        const connections = [0, 1, 2].map(() => new Connection(server.url));
        const loaded = Promise.withResolvers<void>();
        let count = 0;
        const ends = devices.flatMap(({ device, token }, index) => {
          const client = connections[index % connections.length]?.checkin(token);
          if (client === undefined) return [];
          const mine: string[] = [];
          acknowledged.set(device.id, mine);
          const report = (stream: OpenStream) =>
            stream.send(
              device.next({ events: [{ id: eventId((count += 1)), number: BigInt(count) }] }),
            );
          const reporting = async () => {
            await using stream = OpenStream.stream(client);
            report(stream);
            try {
              for (;;) {
                const { acknowledgedEventIds } = await stream.directive();
                mine.push(...acknowledgedEventIds);
                if (acknowledgedEventIds.length > 0) report(stream);
                if (count > 4 * STREAMING_DEVICES) loaded.resolve();
              }
            } catch (error) {
              return error;
            }
          };
          const silent = async () => {
            await using stream = OpenStream.stream(client);
            return await stream.end();
          };
          const watching = async () => {
            await using stream = OpenStream.watch(clientsOf(server.url, token).checkin, device.id);
            return await stream.end();
          };
          return [reporting(), silent(), watching()];
        });
        await loaded.promise;
        const began = performance.now();
        expect(await server.end("SIGTERM")).toBe(0);
        expect(performance.now() - began).toBeLessThan(25_000);
        const ended = (await Promise.all(ends)).map((error) => ({
          code: Code[ConnectError.from(error).code],
          reason: reasonOf(error)?.reason,
        }));
        expect(ended.length).toBe(3 * STREAMING_DEVICES);
        for (const end of ended)
          expect(end).toEqual({ code: "Unavailable", reason: "SHUTTING_DOWN" });
        expect(server.log.map(({ msg }) => msg)).toEqual(CALM_LOG);
        for (const connection of connections) connection[Symbol.dispose]();
      }
      await using server = await ServerProcess.start(argv, env);
      for (const [deviceId, ids] of acknowledged) {
        expect(await eventsOf(server.url, deviceId)).toEqual(expect.arrayContaining(ids));
      }
      expect(await server.end("SIGTERM")).toBe(0);
    },
  );
});

test("a server that cannot listen says so and ends, with exit code 1", async () => {
  const taken = net.createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const listen = `127.0.0.1:${(taken.address() as net.AddressInfo).port}`;
  const argv = ["--listen", listen, "--data-dir", join(folder, "data")];
  await expect(
    ServerProcess.start(argv, { DATABASE_URL: await createPostgresDatabase() }),
  ).rejects.toThrow(/^the server ended with 1: .*EADDRINUSE/);
  taken.close();
});

test("a server that waits for its database ends at once when told to", async () => {
  const mute = net.createServer().listen(0, "127.0.0.1");
  await once(mute, "listening");
  const { port } = mute.address() as net.AddressInfo;
  const asked = once(mute, "connection");
  const started = ServerProcess.start(
    ["--data-dir", join(folder, "data"), "--listen", "127.0.0.1:0"],
    { DATABASE_URL: `postgresql://nobody@127.0.0.1:${port}/none` },
    ["sh", "-c", `echo $$ > ${join(folder, "pid")}; exec "$@"`, "sh"],
  );
  const [socket] = (await asked) as [net.Socket];
  process.kill(Number(readFileSync(join(folder, "pid"), "utf8")), "SIGTERM");
  await expect(started).rejects.toThrow(/^the server ended with 0: .*ended before it listened/);
  socket.destroy();
  mute.close();
});
