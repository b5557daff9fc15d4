import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { reasonOf } from "@nix-ota/proto/reason";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { createPostgresDatabase, DATABASES, type DatabaseKind } from "./databases.testkit.ts";
import { envelope, KEY, seed } from "./manifests.testkit.ts";
import { ServerProcess } from "./server-process.testkit.ts";
import { clientsOf, TestDevice } from "./server.testkit.ts";

const TOKEN = "t".repeat(40);
const PUBLIC_KEYS = [{ key: KEY, name: "" }];

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nix-ota-durability-"));
  writeFileSync(join(folder, "token"), TOKEN);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const argv = () => {
  const files = ["--data-dir", join(folder, "data"), "--publish-token-file", join(folder, "token")];
  return ["--listen", "127.0.0.1:0", ...files];
};
const environment = async (kind: DatabaseKind): Promise<Record<string, string>> =>
  kind === "postgresql" ? { DATABASE_URL: await createPostgresDatabase() } : {};

const hasStrace = spawnSync("strace", ["-V"]).status === 0;

test("on the embedded database the disk has a publish and a report before their answer goes out", async (context) => {
  if (!hasStrace) context.skip("strace is not installed, so system calls cannot be watched");
  const trace = join(folder, "trace");
  const calls = "trace=fsync,fdatasync,write,writev,sendto,sendmsg";
  await using server = await ServerProcess.start(argv(), {}, [
    "strace",
    "-f",
    "-yy",
    "-s",
    "120",
    "-e",
    calls,
    "-o",
    trace,
  ]);
  const { publish } = clientsOf(server.url, TOKEN);
  const device = new TestDevice(server.url, "gw-1", seed(1));
  await device.enrol({ channel: "prod" });
  await device.authenticate();
  await publish.publish({ envelopes: [envelope({ revision: 1n })], publicKeys: PUBLIC_KEYS });
  await device.report();
  await device.clients.channel.getCurrent({ channel: "prod" });
  await server.end("SIGTERM");

  // In the order of the calls: d for the disk having the log of changes, a for an answer.
  const picture = readFileSync(trace, "utf8")
    .split("\n")
    .flatMap((line) => {
      if (/\bfsync\([0-9]+<[^>]*\/pg_wal\/[0-9A-F]{24}>/.test(line)) return ["d"];
      return /\b(?:write|writev|sendto|sendmsg)\([0-9]+<TCP.*HTTP\/1\.1 200/.test(line)
        ? ["a"]
        : [];
    })
    .join("");
  // Challenge, enrolment, challenge, session, publish, report, read.
  expect(picture).toMatch(/^d*ad+aaad+ad+aad*$/);
});

describe.each(DATABASES)("killed again and again on %s", (kind) => {
  test("nothing acknowledged is lost, nothing half-written is served", async () => {
    const env = await environment(kind);
    const published: bigint[] = [];
    const events: string[] = [];
    let sequence = 0n;
    let revision = 0n;

    for (let round = 0; round < 3; round += 1) {
      const server = await ServerProcess.start(argv(), env);
      const { publish, checkin, channel } = clientsOf(server.url, TOKEN);
      const device = new TestDevice(server.url, "gw-1", seed(1));
      await device.enrol({ channel: "prod" });
      const { lastSequence } = await device.authenticate();
      expect(lastSequence).toBeGreaterThanOrEqual(sequence);
      sequence = lastSequence;

      if (round > 0) {
        const { releases } = await publish.listReleases({ channel: "prod", pageSize: 200 });
        const kept = releases.map((one) => one.revision);
        expect(kept).toEqual(expect.arrayContaining(published));
        const { channel: stored } = await channel.getChannel({ name: "prod" });
        expect(stored?.headRevision).toBe(kept[0]);
        const { result } = await channel.getCurrent({ channel: "prod" });
        expect(result.value).toEqual(envelope({ revision: kept[0] ?? 0n }));
        const all = await checkin.listDeviceEvents({ deviceId: "gw-1", pageSize: 500 });
        const messages = all.events.map(({ message }) => message);
        expect(messages).toEqual(expect.arrayContaining(events));
        expect(new Set(messages).size).toBe(messages.length);
        revision = kept[0] ?? 0n;
      }

      // Calls go on until the server dies in the middle of some.
      const stop = new AbortController();
      const enough = Promise.withResolvers<void>();
      let answered = 0;
      const going = async (work: () => Promise<void>) => {
        try {
          while (!stop.signal.aborted) {
            await work();
            answered += 1;
            if (answered === 8 + 5 * round) enough.resolve();
          }
        } catch (error) {
          // Only the end of the server may stop it: a refusal would be a defect.
          expect(reasonOf(error)).toBeUndefined();
        }
      };
      const workers = [
        going(async () => {
          const next = revision + 1n;
          await publish.publish({
            envelopes: [envelope({ revision: next })],
            publicKeys: PUBLIC_KEYS,
          });
          published.push(next);
          revision = next;
        }),
        going(async () => {
          const message = `${round}-${events.length}-${sequence}`;
          const id = Buffer.from(message.padEnd(12, "-")).toString("hex");
          const next = sequence + 1n;
          await device.report({ sequence: next, events: [{ id, message, number: next }] });
          events.push(message);
          sequence = next;
        }),
      ];
      await enough.promise;
      await server.end("SIGKILL");
      stop.abort();
      await Promise.all(workers);
    }
    expect(published.length).toBeGreaterThan(4);
    expect(events.length).toBeGreaterThan(4);
  });
});
