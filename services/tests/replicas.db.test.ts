import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { reasonOf } from "@nix-ota/proto/reason";
import postgres from "postgres";
import { afterEach, beforeEach, expect, test } from "vitest";

import { LIMITS } from "../src/limits.ts";
import { createPostgresDatabase, dropPostgresDatabase } from "./databases.testkit.ts";
import { envelope, KEY, seed } from "./manifests.testkit.ts";
import { ServerProcess } from "./server-process.testkit.ts";
import { clientsOf, TestDevice } from "./server.testkit.ts";
import { OpenStream, wordOf } from "./streams.testkit.ts";
import { Wire } from "./wire.testkit.ts";

const TOKEN = "t".repeat(40);

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nix-ota-replicas-"));
  writeFileSync(join(folder, "token"), TOKEN);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** All replicas share the folder, and with it the session key that the first one makes. */
const argv = () => {
  const files = ["--data-dir", folder, "--publish-token-file", join(folder, "token")];
  return ["--listen", "127.0.0.1:0", ...files];
};
const status = async (url: string) => (await fetch(url)).status;

test("servers that start together on an empty database share it, sessions and all", async () => {
  const env = { DATABASE_URL: await createPostgresDatabase() };
  const [first, second, third] = await Promise.all(
    [1, 2, 3].map(() => ServerProcess.start(argv(), env)),
  );
  await using one = first!;
  await using two = second!;
  await using three = third!;
  const device = new TestDevice(one.url, "gw-1", seed(1));
  await device.enrol({ channel: "prod" });
  const { sessionToken } = await device.authenticate();
  await clientsOf(two.url, TOKEN).publish.publish({
    envelopes: [envelope({ revision: 1n })],
    publicKeys: [{ key: KEY }],
  });
  const report = device.next({});
  const { directive } = await clientsOf(three.url, sessionToken).checkin.checkIn({ report });
  expect(directive).toMatchObject({ verdict: { case: "offer", value: { revision: 1n } } });
});

test("a change made at one server is told to a device that listens to another, whose ear may be cut", async () => {
  const url = await createPostgresDatabase();
  const env = { DATABASE_URL: url };
  await using one = await ServerProcess.start(argv(), env);
  await using two = await ServerProcess.start(argv(), env);
  const device = new TestDevice(two.url, "gw-1", seed(1));
  await device.enrol({ channel: "prod" });
  const { sessionToken } = await device.authenticate();
  await device.report();
  const publish = async (revision: bigint) =>
    await clientsOf(one.url, TOKEN).publish.publish({
      envelopes: [envelope({ revision })],
      publicKeys: [{ key: KEY }],
    });
  await using watch = OpenStream.watch(clientsOf(two.url, sessionToken).checkin, device.id);
  await watch.directive();
  await publish(1n);
  expect(wordOf(await watch.directive())).toBe("offer r1");
  const sql = postgres(url, { max: 1 });
  const cut = await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and query ilike 'listen%'`;
  await sql.end();
  expect(cut.length).toBe(2);
  await publish(2n);
  expect(wordOf(await watch.directive())).toBe("offer r2");
  await publish(3n);
  expect(wordOf(await watch.directive())).toBe("offer r3");
});

test("a database that goes away makes it not ready, and says nothing of itself", async () => {
  const url = await createPostgresDatabase();
  await using server = await ServerProcess.start(argv(), { DATABASE_URL: url });
  expect(await status(`${server.url}/readyz`)).toBe(200);
  await dropPostgresDatabase(url);
  const refused = await clientsOf(server.url, TOKEN).channel.listChannels({}).catch(reasonOf);
  expect(refused).toMatchObject({
    reason: "DATABASE_UNAVAILABLE",
    message: "the database does not answer; the call can be repeated",
  });
  expect(await status(`${server.url}/readyz`)).toBe(503);
  expect(await status(`${server.url}/healthz`)).toBe(200);
  expect(await server.end("SIGTERM")).toBe(0);
});

test("a database that falls silent keeps neither a report nor the end of the program waiting", async () => {
  const url = new URL(await createPostgresDatabase());
  await using wire = await Wire.to(url);
  url.host = `127.0.0.1:${wire.port}`;
  await using server = await ServerProcess.start(argv(), { DATABASE_URL: url.href });
  const device = new TestDevice(server.url, "gw-1", seed(1));
  await device.enrol({ channel: "prod" });
  await device.authenticate();
  await device.report();
  wire.cut();
  const operator = clientsOf(server.url, TOKEN);
  const calls = [
    device.report(),
    operator.channel.getChannel({ name: "prod" }),
    operator.publish.publish({
      envelopes: [envelope({ revision: 1n })],
      publicKeys: [{ key: KEY }],
    }),
  ];
  for (const refused of await Promise.all(calls.map((call) => call.catch(reasonOf)))) {
    expect(refused).toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
  }
  const unanswered = device.report().catch(reasonOf);
  // Calls that are answered after it was sent: by then the server has it in hand.
  for (let round = 0; round < 5; round += 1) {
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  }
  const began = performance.now();
  expect(await server.end("SIGTERM")).toBe(0);
  expect(performance.now() - began).toBeLessThan(LIMITS.shutdownCallsMs + LIMITS.shutdownWritesMs);
  // Told to come back, for whichever reason came first, and acknowledged by nothing.
  expect(await unanswered).toMatchObject({
    reason: expect.stringMatching(/^(SHUTTING_DOWN|DATABASE_UNAVAILABLE)$/) as string,
  });
});

test("a program that is older than the database's schema ends with a code of its own", async () => {
  const url = await createPostgresDatabase();
  const server = await ServerProcess.start(argv(), { DATABASE_URL: url });
  expect(await server.end("SIGTERM")).toBe(0);
  const sql = postgres(url, { max: 1 });
  await sql`insert into schema_migration values ('9999-later', 'now')`;
  await sql.end();
  await expect(ServerProcess.start(argv(), { DATABASE_URL: url })).rejects.toThrow(
    /ended with 3: .*9999-later.*run the version that made them or a later one/,
  );
});

test("a database that cannot be reached at the start is a failure with its reason", async () => {
  const env = { DATABASE_URL: "postgres://nobody:secret@127.0.0.1:1/none" };
  const started = ServerProcess.start(argv(), env);
  await expect(started).rejects.toThrow(/ended with 1: .*ECONNREFUSED/);
  await expect(started).rejects.not.toThrow(/secret/);
});
