import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, writeFile, symlink } from "node:fs/promises";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { machineChance, machineClock } from "../machine-clock.ts";
import { nodeDisk } from "../state/node-disk.ts";
import type { Supervision } from "./supervision.ts";
import { supervision } from "./supervision.ts";
import type { Supervisor } from "./systemd.ts";
import { serviceManager } from "./systemd.ts";

/** Where the contract is tried: this machine, or another that shares a folder with it. */
export interface Laboratory extends AsyncDisposable {
  readonly supervisor: Exclude<Supervisor, "auto">;
  /** Under the same name here and where programs run. */
  readonly dir: string;
  /** Its programs reach the machine where things run. */
  readonly environment: Readonly<Record<string, string>>;
  /** Ends the wrapper of a run, not what it started. */
  killWrapper(name: string): Promise<void>;
}

const LIMITS = {
  activation: { limitMs: 20_000, beginMs: 20_000, graceMs: 300, watchMs: 5 },
  probation: { runMs: 20_000 },
  deadMan: { retryMs: 200 },
};

/** What an agent that starts has at hand. */
export function agentIn(laboratory: Laboratory, limits: Partial<typeof LIMITS> = {}): Supervision {
  const { supervisor, dir, environment } = laboratory;
  return supervision(serviceManager(supervisor, environment), {
    disk: nodeDisk,
    clock: machineClock("/proc/sys/kernel/random/boot_id", "/nonexistent"),
    chance: machineChance,
    stateDir: dir,
    environment,
    failedUnitsCmd: "true",
    ...LIMITS,
    ...limits,
    deadManProgram: { running: [join(dir, "running-agent")], configFile: join(dir, "agent.json") },
  });
}

const never = new AbortController().signal;

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/**
 * The promises of what runs beside the agent. A program says that it lives by a lock on `alive`: that
 * tells across the border of a container, where process numbers mean nothing.
 */
export function keepsItsPromises(open: () => Promise<Laboratory>): void {
  let laboratory: Laboratory;
  let dir: string;

  beforeEach(async () => {
    laboratory = await open();
    ({ dir } = laboratory);
    await mkdir(join(dir, "result"), { recursive: true });
  });
  afterEach(async () => await laboratory[Symbol.asyncDispose]());

  const file = (name: string) => join(dir, name);
  const text = async (name: string) => await readFile(file(name), "utf8").catch(() => "");
  const lines = async (name: string) =>
    (await text(name)).split("\n").filter((line) => line !== "");
  /** A file that is locked as long as what was started under the lock lives. */
  const alive = (name = "alive") =>
    existsSync(file(name)) && spawnSync("flock", ["-n", file(name), "true"]).status !== 0;
  const agent = (limits: Partial<typeof LIMITS> = {}) => agentIn(laboratory, limits);

  async function program(path: string, script: string): Promise<string> {
    await mkdir(join(file(path), ".."), { recursive: true });
    await writeFile(file(path), `#!/bin/sh\n${script}\n`);
    await chmod(file(path), 0o755);
    return file(path);
  }
  async function system(script: string): Promise<{ storePath: string; action: "test" }> {
    const what = `echo "$1" >> ${file("runs")}\n${script}`;
    await program("system/bin/switch-to-configuration", what);
    return { storePath: file("system"), action: "test" };
  }

  /** Another agent's process that does something with what it has at hand, to be killed. */
  function another(does: string): ChildProcess {
    const { supervisor, environment } = laboratory;
    const source = JSON.stringify(import.meta.filename);
    const code = `import { agentIn } from ${source};
      const { activation, health, deadMan } = agentIn(${JSON.stringify({ supervisor, dir, environment })});
      const never = new AbortController().signal;
      ${does}`;
    return spawn(process.execPath, ["--input-type=module", "-e", code], {
      env: { ...environment, VITEST: "" },
      stdio: ["ignore", "ignore", "inherit"],
    });
  }
  async function killed(does: string, when: () => boolean | Promise<boolean>): Promise<void> {
    const child = another(does);
    await until(when);
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  const WAITS = () => `while [ ! -e ${file("go")} ]; do sleep 0.02; done`;
  const LIVES = () => `exec 8> ${file("alive")}; flock 8`;

  describe("a run of switch-to-configuration", () => {
    test("tells the exit status and the last words", async () => {
      const command = await system("echo first; echo no >&2; exit 4");
      expect(await agent().activation.run("one", command, never)).toEqual({
        ended: "exited",
        code: 4,
        tail: "no",
      });
    });

    test("is begun once under one name, however often it is asked for", async () => {
      const command = await system("exit 2");
      const first = await agent().activation.run("one", command, never);
      expect(await agent().activation.run("one", command, never)).toEqual(first);
      expect(await lines("runs")).toEqual(["test"]);
      expect(await agent().activation.begun("one")).toBe(true);
      expect(await agent().activation.begun("two")).toBe(false);
    });

    test("outlives an agent that is killed, and is adopted by the next", async () => {
      const command = await system(`${WAITS()}; exit 3`);
      await killed(
        `await activation.run("one", ${JSON.stringify(command)}, never);`,
        async () => (await lines("runs")).length === 1,
      );
      const adopted = agent().activation.run("one", command, never);
      await writeFile(file("go"), "");
      expect(await adopted).toEqual({ ended: "exited", code: 3, tail: "" });
      expect(await lines("runs")).toEqual(["test"]);
    });

    test("goes on when the one that waits for it gives up", async () => {
      const command = await system(WAITS());
      const waiting = new AbortController();
      const first = agent().activation.run("one", command, waiting.signal);
      await until(() => existsSync(file("runs")));
      waiting.abort();
      await expect(first).rejects.toThrow(/abort/i);
      await writeFile(file("go"), "");
      expect(await agent().activation.run("one", command, never)).toMatchObject({ code: 0 });
      expect(await lines("runs")).toEqual(["test"]);
    });

    test("is ended with all that it started when it takes too long, also when it ignores that", async () => {
      const command = await system(
        `${LIVES()}; trap '' TERM; sleep 7201 & while :; do sleep 1; done`,
      );
      const quick = { activation: { limitMs: 500, beginMs: 500, graceMs: 300, watchMs: 5 } };
      expect(await agent(quick).activation.run("one", command, never)).toEqual({
        ended: "timed out",
      });
      expect(existsSync(file("alive"))).toBe(true);
      expect(alive()).toBe(false);
    });

    test("that is gone without a result is not begun again, and nothing of it goes on switching", async () => {
      const command = await system(`${LIVES()}; sleep 7202`);
      const first = agent().activation.run("one", command, never);
      await until(() => alive());
      await laboratory.killWrapper("one");
      expect(await first).toEqual({ ended: "vanished" });
      expect(alive()).toBe(false);
      expect(await agent().activation.run("one", command, never)).toEqual({ ended: "vanished" });
      expect(await lines("runs")).toEqual(["test"]);
    });

    test("whose result does not fit on the disk leaves none, and the next look is not hindered", async () => {
      await symlink("/dev/full", file("result/one.json.next"));
      const command = await system("exit 0");
      expect(await agent().activation.run("one", command, never)).toEqual({ ended: "untold" });
      expect(existsSync(file("result/one.json"))).toBe(false);
      expect(await agent().activation.run("one", command, never)).toEqual({ ended: "untold" });
      expect(await lines("runs")).toEqual(["test"]);
    });

    test("tells how it ended also where its end cannot be marked", async () => {
      await mkdir(file("result/one.over"), { recursive: true });
      const command = await system("exit 0");
      expect(await agent().activation.run("one", command, never)).toMatchObject({
        ended: "exited",
        code: 0,
      });
    });

    test.each(["", "{", "{}", "0"])("whose result says `%s` has told none", async (written) => {
      const command = await system("exit 0");
      await agent().activation.run("one", command, never);
      await writeFile(file("result/one.json"), written);
      expect(await agent().activation.run("one", command, never)).toEqual({ ended: "untold" });
      await agent().activation.end("one", never);
      expect(await lines("runs")).toEqual(["test"]);
    });

    test("neither fills the disk with what it prints nor waits for what it leaves behind", async () => {
      const command = await system(`seq 200000 >&2; sleep 7203 & exit 0`);
      expect(await agent().activation.run("one", command, never)).toMatchObject({ code: 0 });
      expect((await text("result/one.log")).length).toBeLessThanOrEqual(65_536);
      await agent().activation.end("one", never);
      await laboratory.killWrapper("one");
    });

    test("is ended by the beginning of its name, and others are not", async () => {
      const command = await system(
        `exec 8> ${file("alive")}-$$; flock 8; echo $$ >> ${file("pids")}; ${WAITS()}`,
      );
      const waiting = new AbortController();
      const { activation } = agent();
      const runs = ["a-activate-0", "a-return-0"].map(
        async (name) => await activation.run(name, command, waiting.signal).catch(() => undefined),
      );
      await until(async () => (await lines("pids")).length === 2);
      await agent().activation.end("a-activate", never);
      const [one, other] = (await lines("pids")).map((pid) => alive(`alive-${pid}`));
      expect(one).not.toBe(other);
      await writeFile(file("go"), "");
      expect(await runs[0]).toMatchObject({ ended: "vanished" });
      expect(await runs[1]).toMatchObject({ code: 0 });
    });

    test("is forgotten but for those that are to be kept", async () => {
      const { activation } = agent();
      await activation.run("one", await system("exit 0"), never);
      await activation.run("two", await system("exit 0"), never);
      await activation.forget("two");
      expect([await activation.begun("one"), await activation.begun("two")]).toEqual([false, true]);
    });
  });

  describe("a health check", () => {
    // oxfmt-ignore
    test.each([
      ["true",                                                { health: "passed" }],
      ['test "$NIX_OTA_REVISION" = 7 && test $$ -gt 1',       { health: "passed" }],
      ["echo s3cret; echo s3cret >&2; exit 3",                { health: "failed",  detail: "ended with status 3" }],
      ["/nonexistent/check",                                  { health: "not run", detail: "could not be run" }],
    ])("%s", async (command, result) => {
      expect(await agent().health.check(command, { NIX_OTA_REVISION: "7" }, never)).toEqual(result);
    });

    test("that does not end in time is ended with all that it started", async () => {
      const { health } = agent({ probation: { runMs: 1500 } });
      const command = `${LIVES()}; trap '' TERM; sleep 7204 & sleep 7205`;
      expect(await health.check(command, {}, never)).toEqual({
        health: "failed",
        detail: "did not end within 1.5 s",
      });
      expect(existsSync(file("alive"))).toBe(true);
      await until(() => !alive());
    });

    test("leaves nothing behind that it started", async () => {
      expect(await agent().health.check(`${LIVES()}; sleep 7206 & true`, {}, never)).toEqual({
        health: "passed",
      });
      await until(() => !alive());
    });

    test("ends when it is given up", async () => {
      const given = new AbortController();
      const check = agent().health.check(`${LIVES()}; sleep 7207`, {}, given.signal);
      await until(() => alive());
      given.abort();
      await expect(check).rejects.toThrow(/abort/i);
      await until(() => !alive());
    });

    test("of an agent that was killed is gone when the next one checks", async () => {
      await killed(
        `await health.check(${JSON.stringify(`${LIVES()}; sleep 7208`)}, {}, never);`,
        () => alive(),
      );
      expect(await agent().health.check("true", {}, never)).toEqual({ health: "passed" });
      await until(() => !alive());
    });
  });

  describe("a dead-man", () => {
    const order = (attemptId: string, afterMs: number, prev = file("factory")) => ({
      attemptId,
      prev,
      afterMs,
    });
    const ARGUMENTS = (id: string) => `dead-man --attempt ${id} --config ${file("agent.json")}`;

    beforeEach(async () => {
      await program("running-agent", `echo "running $*" >> ${file("fired")}`);
      await program(
        "prev/sw/bin/nix-ota-agent",
        `[ "$1" = --version ] || echo "prev $*" >> ${file("fired")}`,
      );
    });

    test("runs the agent that runs where the one to return to does not start", async () => {
      await program("broken/sw/bin/nix-ota-agent", "exit 1");
      const { deadMan } = agent();
      expect(await deadMan.arm(order("one", 100, file("broken")), never)).toBeUndefined();
      await until(async () => (await lines("fired")).length === 1);
      expect(await lines("fired")).toEqual([`running ${ARGUMENTS("one")}`]);
    });

    test("runs the agent of the system to return to, or the one that runs where that has none", async () => {
      const { deadMan } = agent();
      expect(await deadMan.arm(order("one", 100, file("prev")), never)).toBeUndefined();
      await until(async () => (await lines("fired")).length === 1);
      expect(await deadMan.arm(order("two", 100), never)).toBeUndefined();
      await until(async () => (await lines("fired")).length === 2);
      expect(await lines("fired")).toEqual([
        `prev ${ARGUMENTS("one")}`,
        `running ${ARGUMENTS("two")}`,
      ]);
    });

    test("is armed until it is dropped, or another takes its place", async () => {
      const { deadMan } = agent();
      expect(await deadMan.armed("one", never)).toBe(false);
      await deadMan.arm(order("one", 60_000), never);
      expect(await agent().deadMan.armed("one", never)).toBe(true);
      await deadMan.arm(order("two", 60_000), never);
      expect([await deadMan.armed("one", never), await deadMan.armed("two", never)]).toEqual([
        false,
        true,
      ]);
      await agent().deadMan.drop(never);
      expect(await deadMan.armed("two", never)).toBe(false);
    });

    test("that was dropped does not fire", async () => {
      const { deadMan } = agent();
      await deadMan.arm(order("one", 3000), never);
      await deadMan.drop(never);
      // Armed later, and for the same time.
      await deadMan.arm(order("two", 3000), never);
      await until(async () => (await lines("fired")).length > 0);
      expect(await lines("fired")).toEqual([`running ${ARGUMENTS("two")}`]);
    });

    test("fires although the agent that armed it was killed", async () => {
      const orders = JSON.stringify(order("one", 1500));
      await killed(
        `await deadMan.arm(${orders}, never); (await import("node:fs")).writeFileSync(${JSON.stringify(file("armed"))}, ""); setInterval(() => {}, 1000);`,
        () => existsSync(file("armed")),
      );
      expect(await agent().deadMan.armed("one", never)).toBe(true);
      await until(async () => (await lines("fired")).length > 0);
      expect(await lines("fired")).toEqual([`running ${ARGUMENTS("one")}`]);
    });

    test("is tried again as long as it fails", async () => {
      await program(
        "running-agent",
        // A configuration that cannot be read for a moment, as when a file of it is being replaced.
        `echo x >> ${file("fired")}; test $(wc -l < ${file("fired")}) = 3 || exit 2`,
      );
      await agent().deadMan.arm(order("one", 50), never);
      await until(async () => (await lines("fired")).length === 3);
      await until(async () => !(await agent().deadMan.armed("one", never)));
      expect((await lines("fired")).length).toBe(3);
    });

    test("that has fired is not ended by being dropped: it may be the one that drops", async () => {
      await program(
        "running-agent",
        `echo x >> ${file("fired")}; ${WAITS()}; echo y >> ${file("fired")}`,
      );
      await agent().deadMan.arm(order("one", 50), never);
      await until(async () => (await lines("fired")).length === 1);
      await agent().deadMan.drop(never);
      await writeFile(file("go"), "");
      await until(async () => (await lines("fired")).length === 2);
      expect(await lines("fired")).toEqual(["x", "y"]);
    });
  });
}
