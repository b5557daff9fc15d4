import { setTimeout as delay } from "node:timers/promises";

import { beforeEach, expect, test } from "vitest";

import { sampleAttempt } from "./attempt.testkit.ts";
import { testConfig } from "./config.testkit.ts";
import { notebookOver } from "./notebook.testkit.ts";
import type { Ports } from "./ports/ports.ts";
import { runAgent } from "./run-agent.ts";
import { journalFile } from "./state/journal-file.ts";
import { memoryDisk } from "./state/memory-disk.testkit.ts";
import { outbox } from "./state/outbox.ts";
import { trustFile } from "./state/trust-file.ts";
import { noTrust, withQuarantined } from "./trust.ts";

/** An agent in the middle of a copy, with as much of a device around it as that takes. */

const attempt = sampleAttempt;

let polls: number;
let endings: number;
let disk: ReturnType<typeof memoryDisk>;
let stop: AbortController;
beforeEach(async () => {
  [polls, endings] = [0, 0];
  disk = memoryDisk();
  stop = new AbortController();
  const notebook = await notebookOver(disk);
  await notebook.record({ on: "accepted", attempt });
  await notebook.record({ on: "fit" });
});

const until = async (signal: AbortSignal): Promise<never> =>
  await new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });

/** @param copies the work of the state, which here hangs about for as long as it says. */
function agentOn(copies: () => Promise<void>, more: object): Promise<unknown> {
  const nothing = async () => await Promise.resolve(undefined);
  const config = testConfig({ stateDir: "/state" });
  const ports = {
    disk,
    journal: journalFile(disk, "/state"),
    trust: trustFile(disk, "/state", { committedRoots: async () => await Promise.resolve([]) }),
    outbox: outbox(disk, "/state"),
    clock: {
      monotonicMs: () => performance.now(),
      wallS: () => 0,
      synchronized: async () => await Promise.resolve(true),
      bootId: async () => await Promise.resolve("boot"),
      sleep: async (ms: number, signal: AbortSignal) => {
        await delay(ms, undefined, { signal });
      },
    },
    chance: { fraction: () => 0.5, id: () => "bbbbbbbb" },
    log: () => undefined,
    quiet: { forget: nothing },
    overseer: {
      doing: () => undefined,
      ready: () => undefined,
      comesBy: () => undefined,
      ending: async () => {
        endings += 1;
        await Promise.resolve();
      },
    },
    server: {
      follow: nothing,
      pushed: until,
      rung: () => "poll",
      checkIn: async () => {
        polls += 1;
        return await Promise.resolve({ got: "silence", message: "nobody is there" });
      },
    },
    serverNotes: { read: nothing, write: nothing },
    requests: { pending: async () => await Promise.resolve([]), arrived: until },
    inhibition: { close: () => true, reopen: () => undefined },
    succession: { superseded: async () => await Promise.resolve(false) },
    links: { root: copies, running: async () => await Promise.resolve("") },
    deadMan: { armed: async () => await Promise.resolve(true) },
    manifests: { read: nothing },
    ...more,
  };
  return runAgent(ports as unknown as Ports, config, "run", stop.signal);
}

test("is asked to end in the middle of a copy that takes its time to, and ends in order", async () => {
  const running = agentOn(async () => await delay(300), {});
  setTimeout(() => stop.abort(), 50);
  await expect(running).rejects.toThrow(/aborted/u);
  expect(endings).toBe(1);
});

test("a device without a journal looks whether what runs is to be left before it hears a wish", async () => {
  disk = memoryDisk();
  const { channel, revision, payloadSha256, storePath } = attempt;
  const failed = { channel, revision, payloadSha256, storePath };
  const notebook = await notebookOver(disk);
  await notebook.setTrust(withQuarantined(noTrust, { ...failed, failure: "HEALTH_FAILED" }));
  const seen: string[] = [];
  const see = async <Value>(what: string, value: Value) => {
    seen.push(what);
    return await Promise.resolve(value);
  };
  const running = agentOn(async () => await Promise.resolve(), {
    links: {
      running: async () => await see("looks", storePath),
      rooted: async () => await Promise.resolve("/nix/store/old"),
      root: async () => await Promise.resolve(),
      profile: async () => await Promise.resolve({ number: 1, storePath }),
      booted: async () => await Promise.resolve(storePath),
      generations: async () => await Promise.resolve([]),
    },
    requests: {
      pending: async () => {
        stop.abort();
        return await see("hears", []);
      },
      arrived: until,
    },
  });
  await running.catch(() => undefined);
  expect(seen.slice(0, 2)).toEqual(["looks", "hears"]);
  expect((await notebookOver(disk)).journal.machine.state).toMatchObject({ name: "rollingBack" });
});

test("polls no more often because somebody at the device waits for it", async () => {
  let nudges = 0;
  const wishes = [{ id: attempt.id, wish: { to: "retry", revision: 1 } }];
  const running = agentOn(async () => await until(stop.signal), {
    requests: {
      pending: async () => await Promise.resolve(wishes),
      arrived: async (signal: AbortSignal) => {
        nudges += 1;
        await delay(1, undefined, { signal });
        if (nudges === 100) stop.abort();
      },
    },
  });
  await expect(running).rejects.toThrow(/aborted/u);
  expect(nudges).toBeGreaterThanOrEqual(100);
  expect(polls).toBe(0);
});
