import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { parseConfig } from "../config.ts";
import type { Config } from "../config.ts";
import { firstJournal } from "../journal.ts";
import { machineClock } from "../machine-clock.ts";
import type { Machine } from "../machine.ts";
import { journalFile } from "../state/journal-file.ts";
import { nodeDisk } from "../state/node-disk.ts";
import { postponementFile } from "../state/postponement-file.ts";
import { inhibitionGate } from "./gate.ts";
import { inhibit } from "./inhibit-command.ts";

const environment = { PATH: process.env["PATH"] ?? "/usr/bin:/bin" };
const clock = machineClock("/proc/sys/kernel/random/boot_id", "/nonexistent");

let dir: string;
let config: Config;
let said: string[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "nix-ota-inhibit-"));
  said = [];
  config = parseConfig(
    JSON.stringify({
      server: "https://ota.example.org",
      channel: "prod",
      deviceId: "fridge",
      publicKey: "6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=",
      stateDir: dir,
      settings: { inhibit: { lookMs: 20 } },
    }),
    "",
  );
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

const ports = () => ({
  clock,
  disk: nodeDisk,
  journal: journalFile(nodeDisk, dir),
  postponements: postponementFile(nodeDisk, dir, environment),
});
const around = () => ({
  config,
  environment,
  ports: ports(),
  say: (line: string) => void said.push(line),
});
const gate = () => inhibitionGate(nodeDisk, dir, environment);
const sh = async (script: string, waitMs = 60_000) =>
  await inhibit(around(), {
    do: "run",
    command: ["sh", "-c", script],
    why: "milking",
    waitMs,
  });
const exists = async (name: string) => (await readdir(dir)).includes(name);
const until = async (what: () => Promise<boolean>) => {
  while (!(await what())) await clock.sleep(10, new AbortController().signal);
};

describe("a command that must not be disturbed", () => {
  test("passes on how it ends", async () => {
    expect(await sh("exit 0")).toBe(0);
    expect(await sh("exit 3")).toBe(3);
    expect(await sh("kill -TERM $$")).toBe(143);
    expect(await sh("exec /nonexistent/program")).toBe(127);
  });

  test("keeps updates out while it runs, says why, and no longer", async () => {
    const update = gate();
    const running = sh(`touch ${dir}/began; while ! [ -e ${dir}/end ]; do sleep 0.02; done`);
    await until(async () => await exists("began"));
    expect(update.close()).toBe(false);
    expect(await update.inhibitors()).toEqual([{ pid: process.pid, why: "milking" }]);
    // Another is let in beside it.
    expect(await sh(`touch ${dir}/end`)).toBe(0);
    expect(await running).toBe(0);
    expect(await update.inhibitors()).toEqual([]);
    expect(update.close()).toBe(true);
    update.reopen();
  });

  test("waits for an update that changes the device, and is not run when that takes too long", async () => {
    const update = gate();
    expect(update.close()).toBe(true);
    expect(await sh(`touch ${dir}/began`, 50)).toBe(75);
    expect(await exists("began")).toBe(false);
    const waiting = sh(`touch ${dir}/began`);
    await until(async () => said.filter((line) => line.includes("is under way")).length === 2);
    expect(await exists("began")).toBe(false);
    update.reopen();
    expect(await waiting).toBe(0);
    expect(await exists("began")).toBe(true);
  });

  test("waits also for one whose agent died in the middle of it", async () => {
    const journal = firstJournal({ bootId: "boot", ms: 0 }, 0);
    const { tally } = journal.machine;
    const state = { name: "activating" } as Machine["state"];
    await ports().journal.write({ ...journal, machine: { state, tally } });
    expect(await sh(`touch ${dir}/began`, 50)).toBe(75);
    await ports().journal.write({ ...journal, machine: { state: { name: "idle" }, tally } });
    expect(await sh(`touch ${dir}/began`, 50)).toBe(0);
  });

  test("holds nothing any more when it was killed, and is told to end with its holder", async () => {
    const file = JSON.stringify(join(import.meta.dirname, "inhibit-command.ts"));
    const disk = JSON.stringify(join(import.meta.dirname, "../state/node-disk.ts"));
    const journal = JSON.stringify(join(import.meta.dirname, "../state/journal-file.ts"));
    const times = JSON.stringify(join(import.meta.dirname, "../machine-clock.ts"));
    const script = `trap 'touch ${dir}/told; exit' TERM; touch ${dir}/began; while :; do sleep 0.02; done`;
    const holder = spawn(
      process.execPath,
      [
        "--input-type=module",
        "-e",
        `import { inhibit } from ${file};
         import { nodeDisk } from ${disk};
         import { journalFile } from ${journal};
         import { machineClock } from ${times};
         const ports = {
           disk: nodeDisk,
           journal: journalFile(nodeDisk, ${JSON.stringify(dir)}),
           clock: machineClock("/proc/sys/kernel/random/boot_id", "/nonexistent"),
         };
         const config = { stateDir: ${JSON.stringify(dir)}, settings: { inhibit: { waitMs: 1000, lookMs: 20 } } };
         await inhibit(
           { ports, config, environment: process.env, say: console.error },
           { do: "run", command: ["sh", "-c", ${JSON.stringify(script)}], why: "milking" },
         );`,
      ],
      { stdio: ["ignore", "ignore", "inherit"] },
    );
    await until(async () => await exists("began"));
    const update = gate();
    expect(update.close()).toBe(false);
    expect((await update.inhibitors()).map(({ pid }) => pid)).toEqual([holder.pid]);
    holder.kill("SIGKILL");
    await once(holder, "exit");
    expect(update.close()).toBe(true);
    update.reopen();
    expect(await update.inhibitors()).toEqual([]);
    expect(await readdir(join(dir, "inhibitors"))).toEqual([]);
    await until(async () => await exists("told"));
  });
});

describe("a person", () => {
  const postponed = async (forMs: number) =>
    await inhibit(around(), { do: "postpone", forMs, why: "harvest" });

  test("puts updates off for a time, and takes that back", async () => {
    expect(await postponed(7_200_000)).toBe(0);
    const kept = await ports().postponements.read();
    expect(kept).toMatchObject({ forMs: 7_200_000, why: "harvest" });
    expect(kept?.countdown.leftMs).toBe(7_200_000);
    expect(kept?.countdown.at.wallS).toBeUndefined();
    expect(await inhibit(around(), { do: "end" })).toBe(0);
    expect(await ports().postponements.read()).toBeUndefined();
    expect(said).toEqual([
      "updates are put off for 2 h; `nix-ota-agent inhibit --end` takes that back",
      "updates go on",
    ]);
  });

  test("cannot put them off for ever", async () => {
    expect(await postponed(8 * 86_400_000)).toBe(2);
    expect(said[0]).toContain("7 d at most");
    expect(await exists("postponed")).toBe(false);
  });

  test("is not overwritten by an agent that read what was there before", async () => {
    await postponed(1_000_000);
    const before = await ports().postponements.read();
    await postponed(7_200_000);
    expect(await ports().postponements.replace(before, undefined)).toBe(false);
    expect((await ports().postponements.read())?.forMs).toBe(7_200_000);
    expect((await readFile(join(dir, "postponed"), "utf8")).length).toBeGreaterThan(0);
  });
});
