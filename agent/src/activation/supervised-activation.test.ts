import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { machineClock } from "../machine-clock.ts";
import { nodeDisk } from "../state/node-disk.ts";
import { supervisedActivation } from "./supervised-activation.ts";
import { WRAPPER } from "./wrapper.ts";

const clock = machineClock("/proc/sys/kernel/random/boot_id", "/nonexistent");
const environment = { PATH: process.env["PATH"] ?? "/usr/bin:/bin" };
const never = new AbortController().signal;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "nix-ota-activation-"));
  await mkdir(join(dir, "result"));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

async function system(script: string): Promise<{ storePath: string; action: "test" }> {
  const file = join(dir, "system/bin/switch-to-configuration");
  await mkdir(join(dir, "system/bin"), { recursive: true });
  await writeFile(file, `#!/bin/sh\necho "$1" >> ${dir}/runs\n${script}\n`);
  await chmod(file, 0o755);
  return { storePath: join(dir, "system"), action: "test" };
}

const agent = (limitMs = 10_000) =>
  supervisedActivation(nodeDisk, clock, dir, environment, { limitMs, graceMs: 300, watchMs: 5 });
const runs = async () => (await readFile(join(dir, "runs"), "utf8")).trim().split("\n").length;
const exists = async (file: string) =>
  await readFile(file).then(
    () => true,
    () => false,
  );

/** A process that ended but that nobody has asked about does not run. */
async function runsStill(pid: string): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ") Z");
  return !stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
}

async function wrapped(
  name: string,
  storePath: string,
  until: (child: ChildProcess) => Promise<unknown>,
): Promise<void> {
  const program = `${storePath}/bin/switch-to-configuration`;
  const child = spawn(
    "sh",
    ["-c", WRAPPER, "nix-ota-activation", join(dir, "result"), name, "30", program, "test"],
    { detached: true, stdio: "ignore", env: { ...environment, NIX_OTA_RUN: name } },
  );
  child.unref();
  await until(child);
}

/** Starts the wrapper as an agent does that is killed right afterwards. */
async function startedByADeadAgent(name: string, storePath: string): Promise<void> {
  await wrapped(name, storePath, async () => {
    while (!(await exists(join(dir, "result", `${name}.started`)))) await clock.sleep(5, never);
  });
}

describe("a supervised activation", () => {
  test("tells the exit status and the last words", async () => {
    expect(await agent().run("one", await system("echo no >&2; exit 4"), never)).toEqual({
      ended: "exited",
      code: 4,
      tail: "no",
    });
  });

  test("runs once under one name, however often it is asked for", async () => {
    const command = await system("exit 2");
    const first = await agent().run("one", command, never);
    expect(await agent().run("one", command, never)).toEqual(first);
    expect(await runs()).toBe(1);
    expect(await agent().begun("one")).toBe(true);
    expect(await agent().begun("two")).toBe(false);
  });

  test("does not run again when it is started late under a name that has ended", async () => {
    const command = await system("exit 0");
    await agent().run("one", command, never);
    await wrapped("one", command.storePath, async (child) => await once(child, "exit"));
    expect(await runs()).toBe(1);
  });

  test("adopts a run that another agent began", async () => {
    const command = await system(`while [ ! -e ${dir}/go ]; do sleep 0.01; done; exit 3`);
    await startedByADeadAgent("one", command.storePath);
    const adopted = agent().run("one", command, never);
    await writeFile(join(dir, "go"), "");
    expect(await adopted).toEqual({ ended: "exited", code: 3, tail: "" });
    expect(await runs()).toBe(1);
  });

  test("goes on when the one that waits for it gives up", async () => {
    const command = await system(`while [ ! -e ${dir}/go ]; do sleep 0.01; done`);
    const waiting = new AbortController();
    const first = agent().run("one", command, waiting.signal);
    while (!(await exists(join(dir, "runs")))) await clock.sleep(5, never);
    waiting.abort();
    await expect(first).rejects.toThrow(/abort/i);
    await writeFile(join(dir, "go"), "");
    expect(await agent().run("one", command, never)).toMatchObject({ ended: "exited", code: 0 });
    expect(await runs()).toBe(1);
  });

  test("ends one that takes too long, also when it ignores the request to end", async () => {
    const command = await system(
      `echo $$ > ${dir}/pid; trap '' TERM; while :; do sleep 0.05; done`,
    );
    expect(await agent(300).run("one", command, never)).toEqual({ ended: "timed out" });
    const pid = (await readFile(join(dir, "pid"), "utf8")).trim();
    expect(await runsStill(pid)).toBe(false);
  });

  test("tells of one that is gone without a result, and does not start it again", async () => {
    const command = await system(`echo $$ > ${dir}/pid; sleep 100`);
    await startedByADeadAgent("one", command.storePath);
    while (!(await exists(join(dir, "pid")))) await clock.sleep(5, never);
    const session = Number((await readFile(join(dir, "result/one.started"), "utf8")).trim());
    process.kill(session, "SIGKILL");
    expect(await agent().run("one", command, never)).toEqual({ ended: "vanished" });
    expect(await runs()).toBe(1);
    // What the killed one left behind must not go on switching.
    expect(await runsStill((await readFile(join(dir, "pid"), "utf8")).trim())).toBe(false);
  });

  test("neither fills the disk with what is printed nor waits for a service that is left behind", async () => {
    const command = await system(`seq 200000 >&2; sleep 30 & echo $! > ${dir}/left; exit 0`);
    expect(await agent().run("one", command, never)).toMatchObject({ ended: "exited", code: 0 });
    expect((await readFile(join(dir, "result/one.log"))).length).toBeLessThanOrEqual(65_536);
    process.kill(Number((await readFile(join(dir, "left"), "utf8")).trim()), "SIGKILL");
  });

  test("forgets results but those it is told to keep", async () => {
    await agent().run("one", await system("exit 0"), never);
    await agent().run("two", await system("exit 0"), never);
    await agent().forget("two");
    expect([await agent().begun("one"), await agent().begun("two")]).toEqual([false, true]);
  });
});
