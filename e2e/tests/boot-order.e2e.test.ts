import { Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { AgentConfig } from "../src/agent-config.ts";
import type { SystemOptions } from "../src/builder.ts";
import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";
import { startEntriesOnce } from "../src/one-shot-entries.ts";

/** What the device's systemd would be asked for a reboot with. */
const REBOOT_ASKED = "/run/sim/reboot-asked";

let fleet: Fleet;
let factory: string;
let devices = 0;
let generation = 0;

beforeAll(async () => {
  fleet = await Fleet.open();
  factory = await fleet.build({ gen: 0 });
});

afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

/** Another init interface: switch-to-configuration refuses to run it live. */
const NEEDS_BOOT = { initInterface: "systemd 256" };
const OTHER_KERNEL = { kernel: "6.6.31" };

type Loader = "starts entries once" | "starts its default";

const LOADERS: readonly Loader[] = ["starts entries once", "starts its default"];

describe.each(LOADERS)("a closure that cannot run live, on a loader that %s,", (loader) => {
  const guarded = loader === "starts entries once";

  test("is prepared, booted, proven, and is then the default", async () => {
    const good = await published(NEEDS_BOOT);
    const fridge = await device(loader);
    expect((await fridge.once()).code).toBe(5);
    const before = guarded ? factory : good;
    expect(await links(fridge)).toEqual([factory, before, before, good]);
    expect(await fridge.status()).toMatchObject({ state: "awaitingReboot" });
    await fridge.device.boot();
    await fridge.once();
    expect(await links(fridge)).toEqual([good, good, good, good]);
    expect(await ends(fridge)).toEqual(["APPLIED"]);
    await expectNoTraces(fridge);
  });

  test("goes back by a reboot when it does not prove itself", async () => {
    const bad = await published({ ...NEEDS_BOOT, mode: "fail-health" });
    const fridge = await device(loader);
    await fridge.once();
    await fridge.device.boot();
    expect((await fridge.device.links()).running).toBe(bad);
    await fridge.once();
    expect(await rebootAsked(fridge)).toBe(true);
    expect((await links(fridge)).slice(1)).toEqual([factory, factory, factory]);
    await fridge.device.boot();
    await fridge.once();
    expect(await links(fridge)).toEqual([factory, factory, factory, factory]);
    expect(await lastEnd(fridge)).toMatchObject({
      outcome: "ROLLED_BACK",
      failure: "HEALTH_FAILED",
    });
    expect(await ends(fridge)).toEqual(["ROLLED_BACK"]);
    await expectNoTraces(fridge);
  });

  // oxfmt-ignore
  const crashes = [
    // state            at         then          boots
    ["activating",      "entered", "goes on",    undefined],
    ["activating",      "leaving", "goes on",    undefined],
    ["awaitingReboot",  "entered", "loses power", "new"],
  ] as const;

  test.each(crashes)(
    "killed in %s, %s, %s and ends on the new system",
    async (state, at, then, boots) => {
      const good = await published(NEEDS_BOOT);
      const fridge = await device(loader);
      await fridge.crash(state, at);
      if (then === "goes on") {
        expect((await fridge.once()).code).toBe(5);
        expect((await fridge.device.links()).nextBoot).toBe(good);
      }
      await fridge.device.boot();
      if (boots === "new") expect((await fridge.device.links()).running).toBe(good);
      await fridge.once();
      expect(await links(fridge)).toEqual([good, good, good, good]);
      expect(await ends(fridge)).toEqual(["APPLIED"]);
      await expectNoTraces(fridge);
    },
  );

  test.each(["probation", "committing"])(
    "that loses power in %s ends on one system, and on the new one in the end",
    async (state) => {
      const good = await published(NEEDS_BOOT);
      const fridge = await device(loader);
      await fridge.once();
      await fridge.device.boot();
      await fridge.crash(state, "entered");
      await fridge.device.boot();
      // Where the loader fell back, the attempt was interrupted, and another is made.
      for (let starts = 0; starts < 2; starts += 1) await fridge.once();
      if ((await fridge.device.links()).running !== good) {
        await fridge.device.boot();
        await fridge.once();
      }
      expect(await links(fridge)).toEqual([good, good, good, good]);
      expect(await ends(fridge)).toEqual(guarded ? ["INTERRUPTED", "APPLIED"] : ["APPLIED"]);
      await expectNoTraces(fridge);
    },
  );
});

describe("a device that waits for a reboot", () => {
  test("goes back at once when its kernel does not come up and the loader falls back", async () => {
    await published({ ...NEEDS_BOOT, mode: "panic" });
    const fridge = await device("starts entries once");
    await fridge.once();
    await bootAndPanic(fridge);
    expect(await links(fridge)).toEqual([factory, factory, factory, factory]);
    await fridge.once();
    expect(await lastEnd(fridge)).toMatchObject({
      outcome: "ROLLED_BACK",
      failure: "BOOT_FELL_BACK",
    });
    expect(await links(fridge)).toEqual([factory, factory, factory, factory]);
    expect(await fridge.device.generations()).toEqual({ all: [1], current: 1 });
    await expectNoTraces(fridge);
  });

  test("takes a newer release instead, and boots nothing of the older one", async () => {
    await published({ ...NEEDS_BOOT, mode: "panic" });
    const fridge = await device("starts entries once");
    await fridge.once();
    const newer = await published({});
    for (let starts = 0; starts < 2; starts += 1) await fridge.once();
    expect(await links(fridge)).toEqual([newer, newer, newer, newer]);
    expect(await ends(fridge)).toEqual(["SUPERSEDED", "APPLIED"]);
  });

  test("is left for what runs when a person says so, and is not taken again by itself", async () => {
    await published({ ...NEEDS_BOOT, mode: "panic" });
    const fridge = await device("starts entries once");
    await fridge.once();
    const named = await fridge.command("rollback", "--generation", "1");
    expect(named).toMatchObject({ code: 3, stdout: expect.stringContaining("is not committed") });
    const { code, stdout, stderr } = await fridge.command("rollback");
    expect({ code, stdout }, stderr).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("the device went back from"),
    });
    expect(await links(fridge)).toEqual([factory, factory, factory, factory]);
    await fridge.once();
    expect(await links(fridge)).toEqual([factory, factory, factory, factory]);
    expect(await ends(fridge)).toEqual(["ROLLED_BACK"]);
    expect(await lastEnd(fridge)).toMatchObject({ failure: "BY_HAND" });
    expect(await fridge.device.generations()).toEqual({ all: [1], current: 1 });
    await expectNoTraces(fridge);
  });

  test("leaves alone what somebody else switched to, and does not boot its own once", async () => {
    await published(NEEDS_BOOT);
    const byHand = await fleet.build({ gen: "by-hand" });
    const fridge = await device("starts entries once");
    await fridge.once();
    const { device: machine } = fridge;
    await machine.run([
      "nix",
      "copy",
      "--no-check-sigs",
      "--from",
      `file://${fleet.own.cache.dir}`,
      "--",
      byHand,
    ]);
    await machine.run(["nix-env", "-p", "/nix/var/nix/profiles/system", "--set", byHand]);
    await machine.run([`${byHand}/bin/switch-to-configuration`, "switch"]);
    await fridge.configure({ pollInterval: 60, settings: { attempts: { retryFirstMs: 60_000 } } });
    await fridge.once();
    expect(await links(fridge)).toEqual([byHand, byHand, byHand, byHand]);
    expect(await ends(fridge)).toEqual(["EXTERNAL_CHANGE"]);
  });

  test("is also one whose switch turned out to need it", async () => {
    // The agent sees no difference beforehand: the inhibitor is only in the program.
    const good = await published({ mode: "exit100" });
    const fridge = await device("starts entries once");
    await fridge.once();
    expect((await fridge.device.links()).nextBoot).toBe(good);
    await fridge.device.boot();
    await fridge.once();
    expect(await ends(fridge)).toEqual(["APPLIED"]);
  });

  test("is also one whose closure changes what must not change in a running system", async () => {
    const before = await fleet.build({ gen: "inhibited", inhibitors: '{"dbus":"a"}' });
    const good = await published({ inhibitors: '{"dbus":"b"}' });
    const fridge = await device("starts entries once", {}, before);
    await fridge.once();
    expect(await links(fridge)).toEqual([before, before, before, good]);
  });
});

describe("another kernel", () => {
  test.each(LOADERS)("is proven by its first boot, on a loader that %s", async (loader) => {
    const good = await published(OTHER_KERNEL);
    const fridge = await device(loader);
    await fridge.once();
    const standard = loader === "starts entries once" ? factory : good;
    expect(await links(fridge)).toEqual([good, good, standard, good]);
    expect((await fleet.operator.device(fridge.name))?.attempt?.rebootRequired).toBe(true);
    expect(await ownRoots(fridge)).toContain("first-boot");
    await fridge.device.boot();
    await fridge.once();
    expect(await links(fridge)).toEqual([good, good, good, good]);
    expect(await ends(fridge)).toEqual(["APPLIED", "APPLIED"]);
    expect((await fleet.operator.device(fridge.name))?.attempt?.rebootRequired).toBe(false);
    await expectNoTraces(fridge);
  });

  test.each(LOADERS)(
    "that fails at its first boot is gone back from, on a loader that %s",
    async (loader) => {
      await published({ ...OTHER_KERNEL, mode: "fail-boot" });
      const fridge = await device(loader);
      await fridge.once();
      expect(await ends(fridge)).toEqual(["APPLIED"]);
      await fridge.device.boot();
      await fridge.once();
      expect(await rebootAsked(fridge)).toBe(true);
      await fridge.device.boot();
      await fridge.once();
      expect(await links(fridge)).toEqual([factory, factory, factory, factory]);
      expect(await ends(fridge)).toEqual(["APPLIED", "ROLLED_BACK"]);
      expect(await fridge.status()).toMatchObject({
        state: "idle",
        committedRevision: 0,
        quarantinedRevisions: [generation],
      });
      await expectNoTraces(fridge);
    },
  );

  test("that does not come up is gone back from where the loader falls back", async () => {
    await published({ ...OTHER_KERNEL, mode: "panic" });
    const fridge = await device("starts entries once");
    await fridge.once();
    await bootAndPanic(fridge);
    await fridge.once();
    expect(await links(fridge)).toEqual([factory, factory, factory, factory]);
    expect(await ends(fridge)).toEqual(["APPLIED", "ROLLED_BACK"]);
    expect(await lastEnd(fridge)).toMatchObject({ failure: "BOOT_FELL_BACK" });
    await expectNoTraces(fridge);
  });
});

describe("the device reboots by itself", () => {
  // oxfmt-ignore
  const rows: readonly (readonly [string, SystemOptionsOf, Loader, AgentConfig, string])[] = [
    // when                                    system        loader                 configuration                                                  reboots, or what that waits for
    ["not by default",                         NEEDS_BOOT,   "starts entries once", {},                                                            "reboot the device when it suits"],
    ["at once where that is its policy",       NEEDS_BOOT,   "starts entries once", { rebootPolicy: "immediate" },                                 ""],
    ["for a kernel as well",                   OTHER_KERNEL, "starts entries once", { rebootPolicy: "immediate" },                                 ""],
    ["not where no loader falls back",         OTHER_KERNEL, "starts its default",  { rebootPolicy: "immediate" },                                 "the boot loader cannot fall back by itself"],
    ["but where that is allowed",              NEEDS_BOOT,   "starts its default",  { rebootPolicy: "immediate", allowUnguardedReboot: true },     ""],
    ["not without a window that it waits for", NEEDS_BOOT,   "starts entries once", { rebootPolicy: "window" },                                    "a reboot needs a window, and none is configured"],
  ];

  test.each(rows)("%s", async (_, system, loader, config, waits) => {
    await published(system);
    const fridge = await device(loader, config);
    await fridge.once();
    expect(await rebootAsked(fridge)).toBe(waits === "");
    if (waits === "") return;
    // A person reads it at the device and at the server.
    const told = expect.stringContaining(waits);
    expect(await fridge.status()).toMatchObject({ why: told });
    expect((await fleet.operator.device(fridge.name))?.attempt?.message).toEqual(told);
  });
});

type SystemOptionsOf = Omit<SystemOptions, "gen">;

async function published(system: SystemOptionsOf): Promise<string> {
  generation += 1;
  const storePath = await fleet.build({ gen: generation, ...system });
  await fleet.publish(storePath);
  return storePath;
}

async function device(
  loader: Loader,
  config: AgentConfig = {},
  from = factory,
): Promise<FleetDevice> {
  devices += 1;
  const fridge = await fleet.device(`fridge-${devices}`, from, {
    ...config,
    settings: { rebootCmd: `touch ${REBOOT_ASKED}` },
  });
  if (loader === "starts entries once") await startEntriesOnce(fridge.device);
  return fridge;
}

async function rebootAsked({ device: machine }: FleetDevice): Promise<boolean> {
  return (await machine.exec(["test", "-e", REBOOT_ASKED])).code === 0;
}

/** The kernel that is started once never reaches user space; somebody switches off and on again. */
async function bootAndPanic({ device: machine }: FleetDevice): Promise<void> {
  await expect(machine.boot()).rejects.toThrow("panic");
  await machine.boot();
}

/** What runs, what the profile names, the boot loader's default, what boots next. */
async function links({ device: machine }: FleetDevice) {
  const { running, profile, bootDefault, nextBoot } = await machine.links();
  return [running, profile, bootDefault, nextBoot];
}

async function lastEnd({ name }: FleetDevice) {
  return await fleet.operator.lastEnded(name);
}

/** How the attempts of a device ended, as the server keeps it: one for each attempt. */
async function ends({ name }: FleetDevice): Promise<(string | undefined)[]> {
  const ended = (await fleet.operator.events(name)).flatMap(({ attempt }) =>
    attempt === undefined || attempt.outcome === Outcome.UNSPECIFIED ? [] : [attempt],
  );
  expect(new Set(ended.map(({ id }) => id)).size).toBe(ended.length);
  const names = Object.entries(Outcome);
  return ended.map(({ outcome }) => names.find(([, number]) => number === outcome)?.[0]);
}

/** Names of the agent's own roots. */
async function ownRoots({ device: machine }: FleetDevice): Promise<string[]> {
  const mark = "/nix-ota/";
  return (await machine.gcRoots())
    .filter(({ link }) => link.includes(mark))
    .map(({ link }) => link.slice(link.indexOf(mark) + mark.length));
}

/** Nothing of an attempt is left rooted but what the device stands on. */
async function expectNoTraces(fridge: FleetDevice): Promise<void> {
  expect((await ownRoots(fridge)).filter((name) => !name.startsWith("committed-"))).toEqual([]);
}
