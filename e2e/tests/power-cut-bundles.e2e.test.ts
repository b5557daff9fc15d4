import { chmod, cp, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import type { Device } from "../src/device.ts";
import { powerCutsImpossible } from "../src/disk-images.ts";
import { eventually } from "../src/eventually.ts";
import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";
import { entryFile } from "../src/processes.ts";
import { Sticks } from "../src/sticks.ts";

/** The power goes while a bundle is made or copied; what was not synced is lost. */

const impossible = await powerCutsImpossible();

let fleet: Fleet;
let sticks: Sticks;
let first: string;
let second: string;
let stick: string;
let golden: Device;
let made = 0;

beforeAll(async () => {
  if (impossible !== undefined) return;
  fleet = await Fleet.open();
  sticks = new Sticks(fleet);
  first = await fleet.build({ gen: 1 });
  second = await fleet.build({ gen: 2 });
  await fleet.publish(second);
  stick = await sticks.bundle("r1");
  await fleet.stopServer();
  golden = await fleet.workshop.device("golden", undefined, {
    factory: { storePath: first, from: `file://${fleet.own.cache.dir}` },
    disks: "together",
  });
  await golden.shutDown();
});

afterAll(async () => await fleet?.[Symbol.asyncDispose]());

beforeEach((context) => {
  if (impossible !== undefined) context.skip(impossible);
});

async function fridge(): Promise<FleetDevice> {
  made += 1;
  return await fleet.deviceOf(`fridge-${made}`, { disks: { copyOf: golden.dir } });
}

async function kept({ device }: FleetDevice): Promise<string[]> {
  return await readdir(join(device.hostStateDir, "bundles")).catch(() => []);
}

async function cutPower({ device }: FleetDevice): Promise<void> {
  await device.cutPower();
  await device.boot();
}

/** Puts a program in the place of the device's `sync`; the path of it. */
async function syncBy({ device }: FleetDevice, ...lines: string[]): Promise<string> {
  const program = join(device.dir, "bin/sync");
  await writeFile(program, ["#!/bin/sh", ...lines, ""].join("\n"));
  await chmod(program, 0o755);
  return program;
}

describe("a power cut while apply copies a bundle,", () => {
  test.each([
    ["before anything of it is on the disk", []],
    ["when all of it is, and nobody has asked for it", ['PATH=${PATH#*:} sync "$@"']],
  ] as const)("%s, leaves nothing behind, and it can be applied again", async (_, does) => {
    const device = await fridge();
    const called = device.device.stateDir.replace(/state$/, "sync-was-called");
    const program = await syncBy(device, ...does, `: > ${called}`, "exec sleep 600");
    await device.startCommand("apply", "--bundle", stick);
    await eventually(
      "a bundle that is copied",
      async () => (await device.device.exec(["test", "-e", called])).code === 0 || undefined,
      { timeoutMs: 60_000 },
    );
    expect(await kept(device)).toHaveLength(1);
    await cutPower(device);
    await rm(program);
    if (does.length > 0) expect(await kept(device)).toHaveLength(1);
    expect(await device.resting()).toEqual([first, first, first]);

    const { code, stdout, stderr } = await device.command("apply", "--bundle", stick);
    expect(code, stdout + stderr).toBe(0);
    expect(await device.resting()).toEqual([second, second, second]);
    expect(await kept(device)).toEqual([]);
  });

  test("once it is asked for, loses nothing: the stick is not needed any more", async () => {
    const device = await fridge();
    const own = sticks.place(`of-${device.name}`);
    await cp(stick, own, { recursive: true });
    // Another process is the agent, which answers to nobody.
    const lock = `${device.device.stateDir}/lock`;
    const script = "echo held; exec sleep 600";
    const other = await device.device.spawn(["flock", "--no-fork", lock, "sh", "-c", script]);
    await other.waitForLine((line) => line === "held" || undefined, 60_000);
    await device.startCommand("apply", "--bundle", own, "--no-wait");
    await eventually(
      "a wish",
      async () =>
        (await readdir(join(device.device.hostStateDir, "requests")).catch(() => [])).some((name) =>
          name.endsWith(".ask"),
        ) || undefined,
      { timeoutMs: 60_000 },
    );
    await cutPower(device);
    await rm(own, { recursive: true });
    await device.once();
    expect(await device.resting()).toEqual([second, second, second]);
    expect(await kept(device)).toEqual([]);
  });
});

test("what nix-ota bundle gave its name is whole after a power cut", async () => {
  const { device } = await fridge();
  const out = `${device.stateDir}/new/stick`;
  const argv = ["bundle", join(stick, "manifest"), "--from", `file://${fleet.own.cache.dir}`];
  await device.run([process.execPath, entryFile("cli"), ...argv, "--out", out]);
  await device.cutPower();
  await device.boot();
  const nix = ["nix", "--extra-experimental-features", "nix-command", "store", "verify"];
  const cache = ["--store", `file://${out}/cache`];
  const verified = await device.exec([...nix, ...cache, "--all", "--no-trust"]);
  expect(verified, verified.stderr).toMatchObject({ code: 0 });
  for (const name of ["manifest", "listing", "cache/nix-cache-info"]) {
    const compared = await device.exec(["cmp", `${out}/${name}`, join(stick, name)]);
    expect(compared, compared.stderr).toMatchObject({ code: 0 });
  }
});
