import { existsSync } from "node:fs";

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { deviceOwners } from "./device-owners.ts";
import type { Device } from "./device.ts";
import { eventually } from "./eventually.ts";
import { runCommand } from "./run-command.ts";
import { TemporaryFolder } from "./temporary-folder.ts";
import { Workshop } from "./workshop.ts";

const PROFILE = "/nix/var/nix/profiles/system";

async function copy(device: Device, from: string, storePath: string) {
  return await device.run(["nix", "copy", "--from", from, "--", storePath]);
}

async function activate(device: Device, storePath: string, action: "switch" | "test" | "boot") {
  return await device.exec([`${storePath}/bin/switch-to-configuration`, action]);
}

/** The sleepers among a device's processes, and zombies as "(name)"; procps may not be installed. */
async function alive(device: Device): Promise<string[]> {
  const script = `for p in /proc/[0-9]*; do
    read -r _ name state _ < $p/stat && [ "$state" = Z ] && echo "$name" && continue
    tr '\\0' ' ' < $p/cmdline; echo
  done 2> /dev/null; true`;
  const listed = await device.run(["sh", "-c", script]);
  const lines = listed.split("\n").map((line) => line.trim());
  return lines.filter((line) => /^(sleep|\()/.test(line)).toSorted();
}

describe.each(await deviceOwners())("a device of $title", ({ runAs, impossible }) => {
  let workshop: Workshop;
  let first: string;
  let second: string;

  beforeAll(async () => {
    if (impossible !== undefined) return;
    workshop = await Workshop.open(runAs === undefined ? {} : { runAs });
    first = await workshop.release({ gen: 0 });
    second = await workshop.release({ gen: 1 });
  });
  afterAll(async () => await workshop?.[Symbol.asyncDispose]());
  beforeEach((context) => {
    if (impossible !== undefined) context.skip(impossible);
  });

  const cache = () => `file://${workshop.cacheDir}`;

  test("leaves the factory with every link on its first system", async () => {
    await using device = await workshop.device("factory", first);
    expect(await device.links()).toEqual({
      running: first,
      booted: first,
      profile: first,
      bootDefault: first,
      nextBoot: first,
    });
    expect(await device.generations()).toEqual({ all: [1], current: 1 });
  });

  test("takes a system and goes back with the plain commands of NixOS", async () => {
    await using device = await workshop.device("there-and-back", first);
    await copy(device, cache(), second);
    await device.run(["nix-env", "-p", PROFILE, "--set", second]);
    expect((await activate(device, second, "switch")).code).toBe(0);
    expect(await device.links()).toEqual({
      running: second,
      booted: first,
      profile: second,
      bootDefault: second,
      nextBoot: second,
    });
    await device.run(["nix-env", "-p", PROFILE, "--rollback"]);
    expect((await activate(device, first, "switch")).code).toBe(0);
    expect(await device.links()).toEqual({
      running: first,
      booted: first,
      profile: first,
      bootDefault: first,
      nextBoot: first,
    });
  });

  test("tries a system without moving profile or boot default, and a power-off undoes it", async () => {
    await using device = await workshop.device("trial", first);
    await copy(device, cache(), second);
    expect((await activate(device, second, "test")).code).toBe(0);
    expect(await device.links()).toEqual({
      running: second,
      booted: first,
      profile: first,
      bootDefault: first,
      nextBoot: first,
    });
    const before = await device.bootId();
    await device.run(["touch", "/run/volatile"]);
    await device.powerOff();
    await device.boot();
    expect((await device.exec(["test", "-e", "/run/volatile"])).code).toBe(1);
    expect((await device.links()).running).toBe(first);
    expect(await device.bootId()).not.toBe(before);
  });

  test("keeps what its links name through a collection, and nothing else", async () => {
    await using device = await workshop.device("collector", first);
    await copy(device, cache(), second);
    expect((await activate(device, second, "test")).code).toBe(0);
    await device.run(["nix-store", "--gc"]);
    await device.run(["nix-store", "--verify-path", first, second]);
    expect((await activate(device, first, "test")).code).toBe(0);
    await device.run(["nix-store", "--gc"]);
    await device.run(["nix-store", "--verify-path", first]);
    expect((await device.exec(["nix", "path-info", second])).code).toBe(1);
    expect((await device.gcRoots()).map(({ target }) => target)).toEqual([first, first, first]);
  });

  test("refuses to boot a system that is not in its store", async () => {
    await using device = await workshop.device("bricked", first);
    await copy(device, cache(), second);
    await device.run(["nix-env", "-p", PROFILE, "--set", second]);
    expect((await activate(device, second, "boot")).code).toBe(0);
    await device.run(["nix-env", "-p", PROFILE, "--rollback"]);
    await device.run(["nix-env", "-p", PROFILE, "--delete-generations", "2"]);
    await device.run(["nix-store", "--gc"]);
    await expect(device.boot()).rejects.toMatchObject({ kind: "boot" });
  });

  test("ends with everything in it at a power-off, sessions of their own included", async () => {
    await using device = await workshop.device("power", first);
    await device.run(["setsid", "--fork", "sleep", "7001"]);
    const shell = await device.spawn(["sh", "-c", "sleep 7002 & wait"]);
    await expect.poll(() => alive(device)).toEqual(["sleep 7001", "sleep 7002"]);
    await device.powerOff();
    expect(await shell.exited).toEqual({ code: null, signal: "SIGKILL" });
    await device.boot();
    expect(await alive(device)).toEqual([]);
  });

  test("loses one process to a kill and keeps those that it started", async () => {
    await using device = await workshop.device("orphans");
    const parent = await device.spawn(["sh", "-c", "setsid sleep 7003 & echo $!; wait"]);
    const orphan = await parent.waitForLine((line) => line, 5_000);
    await expect.poll(() => alive(device)).toEqual(["sleep 7003"]);
    parent.kill("SIGKILL");
    expect(await parent.exited).toEqual({ code: null, signal: "SIGKILL" });
    expect(await alive(device)).toEqual(["sleep 7003"]);
    // Process 1 collects the orphan: nothing stays as a zombie.
    await device.run(["sh", "-c", 'kill -KILL "$1"', "sh", orphan]);
    await expect.poll(() => alive(device)).toEqual([]);
  });

  test("ends a command at its time limit and says so", async () => {
    await using device = await workshop.device("patience");
    const result = await device.exec(["sh", "-c", "echo begun; sleep 7004"], {
      timeoutMs: 3_000,
    });
    expect(result).toMatchObject({
      code: null,
      signal: "SIGKILL",
      stdout: "begun\n",
      timedOut: true,
    });
    // What process 1 inherits is a zombie until it has looked after it.
    await eventually("the end of every process", async () => {
      return (await alive(device)).length === 0 ? true : undefined;
    });
  });

  test("sees nothing of the host's environment and has its own nix state", async () => {
    process.env["NIX_REMOTE"] = "daemon";
    try {
      await using device = await workshop.device("apart");
      expect(await device.run(["env"])).not.toContain("NIX_REMOTE");
      expect(await device.run(["id", "-u"])).toBe("0");
      expect((await device.exec(["nix", "path-info", first])).code).toBe(1);
    } finally {
      delete process.env["NIX_REMOTE"];
    }
  });
});

test("a killed test run leaves no process of a device behind", async () => {
  await using folder = await TemporaryFolder.create("orphaned");
  const run = runCommand([
    process.execPath,
    "--input-type=module",
    "-e",
    `import { Device } from ${JSON.stringify(new URL("device.ts", import.meta.url).href)};
     const device = await Device.create({ dir: ${JSON.stringify(folder.join("device"))}, name: "orphaned", trustedPublicKeys: [] });
     const sleeper = await device.spawn(["setsid", "sleep", "7005"]);
     process.stdout.write(String(sleeper.pid), () => process.kill(process.pid, "SIGKILL"));
     await new Promise(() => setInterval(() => undefined, 1000));`,
  ]);
  const { stdout, signal } = await run;
  expect(signal).toBe("SIGKILL");
  const pid = Number(stdout);
  expect(pid).toBeGreaterThan(1);
  await expect.poll(() => isAlive(pid), { timeout: 5_000 }).toBe(false);
});

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}
