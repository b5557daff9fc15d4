import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { reasonOf } from "@nix-ota/proto/reason";
import postgres from "postgres";
import { afterEach, beforeEach, expect, test } from "vitest";

import { createPostgresDatabase } from "./databases.testkit.ts";
import { seed } from "./manifests.testkit.ts";
import { ServerProcess } from "./server-process.testkit.ts";
import { clientsOf, TestDevice } from "./server.testkit.ts";
import { OpenStream } from "./streams.testkit.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nix-ota-session-keys-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const newKey = () => randomBytes(32).toString("base64");
const keyFile = () => join(folder, "session.key");
const writeKeys = (...keys: string[]) => {
  writeFileSync(keyFile(), `${keys.join("\n")}\n`, { mode: 0o600 });
};
const changes = (server: ServerProcess) =>
  server.log.filter(({ msg }) => msg === "session keys changed").length;
/** As an operator does it: the file, then the signal, and the log tells when it counts. */
const roll = async (servers: readonly ServerProcess[], ...keys: string[]) => {
  const before = servers.map(changes);
  writeKeys(...keys);
  for (const { pid } of servers) process.kill(pid, "SIGHUP");
  for (const [index, server] of servers.entries()) {
    await expect
      .poll(() => changes(server), { timeout: 20_000 })
      .toBeGreaterThan(before[index] ?? 0);
  }
};
const takes = async (server: ServerProcess, token: string) =>
  await clientsOf(server.url, token)
    .access.getCaller({})
    .then(
      ({ name }) => name,
      (error: unknown) => reasonOf(error)?.reason,
    );

test("the session key is rotated under two servers without a restart, and no device is turned away", async () => {
  const [before, after] = [newKey(), newKey()];
  writeKeys(before);
  const env = { DATABASE_URL: await createPostgresDatabase() };
  const argv = ["--listen", "127.0.0.1:0", "--data-dir", folder, "--session-key-file", keyFile()];
  const [one, two] = await Promise.all([1, 2].map(() => ServerProcess.start(argv, env)));
  await using first = one!;
  await using second = two!;
  const servers = [first, second];
  const sessionFrom = async (server: ServerProcess) =>
    (await new TestDevice(server.url, "gw-1", seed(1)).authenticate()).sessionToken;
  await new TestDevice(first.url, "gw-1", seed(1)).enrol({ channel: "prod" });

  const oldest = await sessionFrom(first);
  await roll(servers, before, after);
  await roll(servers, after, before);
  const given = [oldest, await sessionFrom(first), await sessionFrom(second)];
  for (const token of given) {
    for (const server of servers) expect(await takes(server, token)).toBe("gw-1");
  }
  // Each with other keys for a moment: one server has dropped the old one already.
  await roll([first], after);
  await expect.poll(() => changes(second), { timeout: 20_000 }).toBe(3);
  expect(await takes(first, oldest)).toBe("CREDENTIAL_INVALID");
  for (const server of servers) expect(await takes(server, given[1] ?? "")).toBe("gw-1");

  // A file that is half written or gone leaves the keys as they are.
  writeFileSync(keyFile(), "broken\n");
  process.kill(first.pid, "SIGHUP");
  await expect
    .poll(() => first.log.some(({ msg }) => msg === "the session keys stay as they were"))
    .toBe(true);
  expect(await takes(first, given[1] ?? "")).toBe("gw-1");
  expect(JSON.stringify(first.log)).not.toMatch(
    new RegExp(`${before.slice(0, 20)}|${after.slice(0, 20)}`),
  );
}, 60_000);

test("a database that was restored ends the sessions of every device, and their streams, within 15 s", async () => {
  const url = await createPostgresDatabase();
  writeKeys(newKey());
  const argv = ["--listen", "127.0.0.1:0", "--data-dir", folder];
  await using server = await ServerProcess.start(argv, { DATABASE_URL: url });
  const device = new TestDevice(server.url, "gw-1", seed(1));
  await device.enrol({ channel: "prod" });
  const { sessionToken } = await device.authenticate();
  await using watch = OpenStream.watch(device.clients.checkin, device.id);
  await watch.directive();
  let end: unknown;
  void watch.end().then((reason) => (end = reason));
  const sql = postgres(url, { max: 1 });
  await sql`update installation set session_salt = sha256('another')`;
  await sql.end();
  await expect
    .poll(() => takes(server, sessionToken), { timeout: 15_000 })
    .toBe("CREDENTIAL_INVALID");
  await expect.poll(() => reasonOf(end)?.reason, { timeout: 15_000 }).toBe("STREAM_ENDED");
  await device.authenticate();
  await device.report();
}, 60_000);
