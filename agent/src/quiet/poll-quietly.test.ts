import { mkdtemp, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { parseConfig } from "../config.ts";
import { machineClock } from "../machine-clock.ts";
import type { Server } from "../ports/server.ts";
import { loopbackDevice, reportOf } from "../server/loopback-device.testkit.ts";
import { LoopbackServer } from "../server/loopback-server.testkit.ts";
import { nodeDisk } from "../state/node-disk.ts";
import { pollQuietly } from "./poll-quietly.ts";
import { quietPolls } from "./quiet-polls.ts";

const never = new AbortController().signal;

let dir: string;
let configPath: string;
let bootIdFile: string;
let loopback: LoopbackServer;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "nix-ota-quiet-"));
  configPath = join(dir, "agent.json");
  bootIdFile = join(dir, "boot-id");
  await writeFile(bootIdFile, "boot-1\n");
  await writeFile(join(dir, "journal.a"), "idle");
  loopback = await LoopbackServer.start();
  loopback.behaviour.hold = "the device runs the head";
});
afterEach(async () => {
  await loopback[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

/** What a whole `once` does at its end when there was nothing to do. */
async function wholePoll(quietMs = 3_600_000): Promise<Server> {
  const file = {
    server: loopback.url,
    channel: "prod",
    deviceId: "fridge",
    publicKey: "release:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=",
    allowInsecureServer: true,
    stateDir: dir,
    settings: { bootIdFile, once: { quietMs } },
  };
  await writeFile(configPath, JSON.stringify(file));
  const config = parseConfig(JSON.stringify(file), "");
  const server = loopbackDevice(loopback.url, { disk: nodeDisk, stateDir: dir });
  const clock = machineClock(bootIdFile, "");
  const quiet = quietPolls(nodeDisk, clock, server, config, configPath);
  const report = reportOf();
  const answer = await server.checkIn(report, "whatever is open", never);
  if (answer.got !== "answer") throw new Error(answer.message);
  await quiet.remember({ report, directive: answer.value, reason: "the device runs the head" });
  return server;
}

const sequences = () => loopback.reports.map(({ report }) => Number(report.sequence));

describe("a poll of a device at which nothing changed", () => {
  test("reports the same under rising numbers, and finds nothing to do", async () => {
    await wholePoll();
    for (let polls = 0; polls < 3; polls += 1) {
      expect(await pollQuietly(configPath)).toBe("the device runs the head");
    }
    expect(loopback.reports.map(({ report }) => report.deviceId)).toEqual(
      Array.from({ length: 4 }, () => "fridge"),
    );
    expect(sequences()).toEqual([1, 2, 3, 4]);
  });

  test("uses no number that the whole agent uses after it", async () => {
    await wholePoll();
    await pollQuietly(configPath);
    await wholePoll();
    const [first = 0, second = 0, third = 0] = sequences();
    expect(first < second && second < third).toBe(true);
  });

  test("leaves it to the whole agent when its numbers are used up", async () => {
    await wholePoll();
    const path = join(dir, "quiet");
    const record = JSON.parse(await readFile(path, "utf8")) as { endSequence: number };
    await writeFile(path, JSON.stringify({ ...record, endSequence: 3 }));
    expect(await pollQuietly(configPath)).toBeDefined();
    expect(await pollQuietly(configPath)).toBeUndefined();
    expect(sequences()).toEqual([1, 2]);
  });

  const changes: readonly (readonly [what: string, change: () => Promise<unknown>])[] = [
    [
      "the configuration",
      async () => await writeFile(configPath, `${await readFile(configPath, "utf8")}\n`),
    ],
    ["its age alone", async () => await utimes(configPath, 1, 1)],
    [
      "the journal",
      async () => await nodeDisk.writeDurably(dir, "journal.a", Buffer.from("idle"), 0o600),
    ],
    ["a first trust record", async () => await writeFile(join(dir, "trust.b"), "")],
    ["an event to report", async () => await nodeDisk.makeDirectory(join(dir, "outbox"))],
    ["a link", async () => await symlink("/nix/store/x", join(dir, "trust.a"))],
    ["a reboot", async () => await writeFile(bootIdFile, "boot-2\n")],
    ["a record cut short", async () => await writeFile(join(dir, "quiet"), '{"version":1')],
    ["no session", async () => await rm(join(dir, "session"))],
  ];
  test.each(changes)("asks nobody by itself after a change: %s", async (_what, change) => {
    await wholePoll();
    await change();
    expect(await pollQuietly(configPath)).toBeUndefined();
    expect(sequences()).toEqual([1]);
  });

  test("asks nobody by itself when its time is over", async () => {
    await wholePoll(0);
    expect(await pollQuietly(configPath)).toBeUndefined();
    expect(sequences()).toEqual([1]);
  });

  const answers: readonly (readonly [what: string, change: () => void])[] = [
    ["a release is offered", () => (loopback.behaviour.hold = undefined)],
    ["the reason is another", () => (loopback.behaviour.hold = "the channel is paused")],
    ["the session is not known", () => (loopback.behaviour.sessions = 2)],
    ["the device is refused", () => (loopback.behaviour.refuseCalls = "DEVICE_REVOKED")],
  ];
  test.each(answers)("leaves the answer to the whole agent when %s", async (_what, change) => {
    await wholePoll();
    change();
    expect(await pollQuietly(configPath)).toBeUndefined();
  });

  test("leaves silence to the whole agent", async () => {
    await wholePoll();
    await loopback.crash();
    expect(await pollQuietly(configPath)).toBeUndefined();
  });
});
