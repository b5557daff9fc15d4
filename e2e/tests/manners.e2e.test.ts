import { uptime } from "node:os";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { SystemOptions } from "../src/builder.ts";
import { eventually } from "../src/eventually.ts";
import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";
import type { ProcessHandle } from "../src/process-handle.ts";

type Status = { readonly state: string; readonly explanation: string; readonly holds: string[] };

let fleet: Fleet;
let factory: string;
let generation = 0;

beforeAll(async () => {
  fleet = await Fleet.open();
  factory = await fleet.build({ gen: 0 });
});

afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

/** A window of half an hour that begins in so many hours by the clock of this machine. */
function windowIn(hours: number) {
  const at = (minutes: number) =>
    new Date(Date.now() + hours * 3_600_000 + minutes * 60_000).toISOString().slice(11, 16);
  return [{ from: at(-15), to: at(15), zone: "UTC" }];
}

/** It polls so seldom that whatever happens soon does not wait for a poll. */
const SELDOM = { pollInterval: 600, settings: { poll: { minMs: 50, maxMs: 600_000 } } };

describe("a device outside its window", () => {
  test("has everything ready, changes nothing, and says what it waits for; inside it goes on", async () => {
    const fridge = await fleet.device("nightly", factory, { windows: windowIn(6) });
    const storePath = await published();
    expect((await fridge.once()).code).toBe(5);
    expect(await fridge.resting()).toEqual([factory, factory, factory]);
    await fridge.device.run(["nix-store", "--check-validity", storePath]);
    const waits = /^waits for its window, which opens \d{4}-/;
    expect(await status(fridge)).toMatchObject({
      state: "staged",
      explanation: expect.stringMatching(waits) as string,
    });
    expect(await told(fridge)).toMatch(waits);

    // Waiting longer wears the disk and fills the history no further.
    const events = (await fleet.operator.events(fridge.name)).length;
    expect((await fridge.once()).code).toBe(5);
    expect((await fleet.operator.events(fridge.name)).length).toBe(events);

    fleet.own.cache.resetTraffic();
    await fridge.configure({ windows: windowIn(0) });
    expect((await fridge.once()).code).toBe(0);
    expect(await fridge.resting()).toEqual([storePath, storePath, storePath]);
    expect(fleet.own.cache.traffic().nars).toBe(0);
  });

  test("is not fooled into it by its own clock, which nobody keeps right", async () => {
    const fridge = await fleet.device("in-1970", factory, {
      windows: windowIn(0),
      // From here on a server's clock that is not this year's would be a lie.
      settings: { clock: { synchronizedFile: "/nonexistent", builtAtS: 4_000_000_000 } },
    });
    await published();
    await fridge.once();
    const { explanation } = await status(fridge);
    expect(explanation).toContain("no window can open while nobody knows the time");
  });
});

describe("a program that inhibits", () => {
  test("holds a running agent back, is named on the server, and its end lets the update go on", async () => {
    const fridge = await fleet.device("milking", factory, SELDOM);
    const storePath = await published();
    const busy = "touch /run/began; while ! [ -e /run/done ]; do sleep 0.05; done; exit 7";
    const inhibitor = await fridge.inhibit("--why", "milking", "--", "sh", "-c", busy);
    await there(fridge, "/run/began");
    await fridge.startAgent();
    const said = await eventually("the hold on the server", async () => {
      const message = await told(fridge);
      return message.includes("holds updates back") ? message : undefined;
    });
    expect(said).toMatch(/^milking \(process \d+\) holds updates back/);
    expect((await status(fridge)).holds).toEqual([said]);
    expect(await fridge.resting()).toEqual([factory, factory, factory]);
    await fridge.device.run(["touch", "/run/done"]);
    expect((await inhibitor.exited).code).toBe(7);
    await applied(fridge);
    await fridge.stopAgent();
    expect(await fridge.resting()).toEqual([storePath, storePath, storePath]);
  });

  test("that comes in the middle of an update waits for its end", async () => {
    const fridge = await fleet.device("patient", factory, SELDOM);
    const storePath = await published({ mode: "slow", seconds: 2 });
    const agent = await fridge.startAgent();
    await eventually("the activation", async () =>
      agent.stderr().includes('"state":"activating"') ? true : undefined,
    );
    const look = "readlink /nix/var/nix/profiles/$(readlink /nix/var/nix/profiles/system)";
    const inhibitor = await fridge.inhibit("--", "sh", "-c", look);
    expect((await inhibitor.exited).code).toBe(0);
    expect(inhibitor.stdout().trim()).toBe(storePath);
    expect(inhibitor.stderr()).toContain("an update is under way");
    await fridge.stopAgent();
  });

  test("with a file does as well", async () => {
    const fridge = await fleet.device("flagged", factory, {
      ...SELDOM,
      inhibitFiles: ["/run/busy"],
    });
    const storePath = await published();
    await fridge.device.run(["touch", "/run/busy"]);
    await fridge.startAgent();
    await eventually("the hold", async () =>
      (await status(fridge)).explanation.startsWith("the file /run/busy holds") ? true : undefined,
    );
    await fridge.device.run(["rm", "/run/busy"]);
    await applied(fridge);
    await fridge.stopAgent();
    expect(await fridge.resting()).toEqual([storePath, storePath, storePath]);
  });
});

test("a person puts updates off over a reboot, until the time is up or it is taken back", async () => {
  // A boot of the harness is as old as this machine, whose age must not end the wait.
  const days = Math.ceil(uptime() / 86_400) + 2;
  const fridge = await fleet.device("harvest", factory, {
    settings: { inhibit: { postponeMaxMs: days * 86_400_000 } },
  });
  const storePath = await published();
  const asked = await fridge.inhibit("--for", `${days}d`, "--why", "harvest");
  expect((await asked.exited).code).toBe(0);
  expect((await fridge.once()).code).toBe(5);
  await fridge.device.boot();
  expect((await fridge.once()).code).toBe(5);
  const { explanation, holds } = await status(fridge);
  expect(explanation).toContain(`a person put updates off for ${days} d (harvest)`);
  expect(holds).toEqual([explanation]);
  await (
    await fridge.inhibit("--end")
  ).exited;
  expect((await fridge.once()).code).toBe(0);
  expect(await fridge.resting()).toEqual([storePath, storePath, storePath]);

  await published();
  await (
    await fridge.inhibit("--for", "1s")
  ).exited;
  await eventually("the end of the time", async () => {
    await fridge.once();
    return (await status(fridge)).state === "idle" ? true : undefined;
  });
});

describe("a device on a slow or metered link", () => {
  /** A boot of the harness is as old as this machine: no period may end by that. */
  const hours = Math.ceil(uptime() / 3600) + 24;

  test("takes no more of it than its bandwidth limit", async () => {
    const bytesPerS = 256 * 1024;
    const fridge = await fleet.device("narrow", factory, { bandwidthLimit: bytesPerS });
    const storePath = await published({ bigMebibytes: 4 });
    fleet.own.cache.resetTraffic();
    const agent = await fridge.startAgent();
    await applied(fridge);
    await fridge.stopAgent();
    expect(await fridge.resting()).toEqual([storePath, storePath, storePath]);
    const tookS = (loggedAtMs(agent, "staged") - loggedAtMs(agent, "fetching")) / 1000;
    const { narBytes } = fleet.own.cache.traffic();
    expect(narBytes).toBeGreaterThan(4 * 1024 ** 2);
    expect((4 * 1024 ** 2) / tookS).toBeLessThan(1.25 * bytesPerS);
  });

  test("stops a copy over its budget, also after a reboot, and goes on where it was", async () => {
    const fridge = await fleet.device("metered", factory, {
      bandwidthLimit: 8192,
      byteBudget: { bytes: 16_384, hours },
    });
    const storePath = await published({ changed: 11 });
    const nars = async () => {
      fleet.own.cache.resetTraffic();
      const { code, stderr } = await fridge.once(120_000);
      return { code, stderr, nars: fleet.own.cache.traffic().nars };
    };
    const first = await nars();
    expect(first.code, first.stderr).toBe(5);
    const said = /^the byteBudget of 0\.0 MiB in .* is spent; the copy goes on in the next period/;
    expect((await status(fridge)).explanation).toMatch(said);
    expect(await told(fridge)).toMatch(said);
    await fridge.device.boot();
    expect(await nars()).toMatchObject({ code: 5, nars: 0 });

    await fridge.configure({ bandwidthLimit: null, byteBudget: { bytes: 2 ** 30, hours } });
    const last = await nars();
    expect(last.code, last.stderr).toBe(0);
    expect(await fridge.resting()).toEqual([storePath, storePath, storePath]);
    // What had arrived was not fetched again, but for the file in which the copy was stopped.
    const whole = await fleet.device("unmetered", factory);
    fleet.own.cache.resetTraffic();
    await whole.once();
    expect(first.nars + last.nars).toBeLessThanOrEqual(fleet.own.cache.traffic().nars + 1);
  });

  test("gives up a release with a path that no budget lets through", async () => {
    const fridge = await fleet.device("too-metered", factory, {
      bandwidthLimit: 65_536,
      byteBudget: { bytes: 131_072, hours },
    });
    await published({ bigMebibytes: 8 });
    // A link on which a few mebibytes are not there before anybody can look.
    using _link = fleet.own.cache.inject({
      on: /\/nar\//,
      fault: { kind: "trickle", bytes: 32_768, everyMs: 50 },
    });
    let code: number | null = 5;
    let stderr = "";
    for (let period = 0; code === 5 && period < 6; period += 1) {
      await fridge.device.run([
        "rm",
        "-f",
        ...["a", "b"].map((x) => `${fridge.device.stateDir}/traffic.${x}`),
      ]);
      ({ code, stderr } = await fridge.once(120_000));
    }
    expect(await fleet.operator.lastEnded(fridge.name), stderr).toMatchObject({
      outcome: "FAILED",
      failure: "TOO_MUCH_DATA",
      message: expect.stringContaining("raise it above the largest path") as string,
    });
  });
});

describe("a device without space", () => {
  test("refuses before the first byte, with every number and what to do", async () => {
    const fridge = await fleet.device("full", factory, {
      minFreeBytes: 2 ** 50,
      settings: { preflight: { stateFreeBytes: 2 ** 51 } },
    });
    await published();
    fleet.own.cache.resetTraffic();
    expect((await fridge.once()).code).toBe(4);
    const ended = await fleet.operator.lastEnded(fridge.name);
    expect(ended).toMatchObject({ outcome: "FAILED", failure: "NO_SPACE" });
    const numbers =
      /^the state directory \S+ has \S+ MiB free, but 2147483648\.0 MiB are needed .*: \S+ MiB too few; free space there; \/nix has \S+ MiB free, but \S+ MiB are needed \(\S+ MiB missing and 10 % on top, 1073741824\.0 MiB that stay free\): \S+ MiB too few; free space with `nix-collect-garbage`, or lower minFreeBytes$/;
    expect(ended?.message).toMatch(numbers);
    expect(fleet.own.cache.traffic().nars).toBe(0);
  });

  test("for another kernel on /boot touches nothing, and takes the next release with its own kernel", async () => {
    const fridge = await fleet.device("boot-full", factory, {
      settings: { preflight: { bootDir: "/run/boot" } },
    });
    await fridge.device.run(["mkdir", "/run/boot"]);
    await fridge.device.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", "/run/boot"]);
    await fridge.device.run(["tee", "/run/boot/full"], { input: "x".repeat(4096) });
    await published({ kernel: "6.12.1" });
    expect((await fridge.once()).code).toBe(4);
    const ended = await fleet.operator.lastEnded(fridge.name);
    expect(ended).toMatchObject({ outcome: "FAILED", failure: "NO_SPACE" });
    expect(ended?.message).toContain("/run/boot has 0.0 MiB free");
    expect(await fridge.resting()).toEqual([factory, factory, factory]);
    const storePath = await published();
    expect((await fridge.once()).code).toBe(0);
    expect(await fridge.resting()).toEqual([storePath, storePath, storePath]);
  });
});

describe("own generations", () => {
  test.each(["prove-first", "switch"])(
    "in the order %s, beyond those to keep go, with their boot entries; one made by hand stays",
    async (activation) => {
      const fridge = await fleet.device(`tidy-${activation}`, factory, {
        activation,
        keepGenerations: 2,
      });
      const { device } = fridge;
      const byHand = await fleet.build({ gen: `hand-${activation}` });
      const releases: string[] = [];
      for (let count = 0; count < 5; count += 1) {
        releases.push(await published());
        expect((await fridge.once()).code).toBe(0);
        if (count !== 1) continue;
        const from = `file://${fleet.own.cache.dir}`;
        await device.run(["nix", "copy", "--no-check-sigs", "--from", from, "--", byHand]);
        await device.run(["nix-env", "-p", "/nix/var/nix/profiles/system", "--set", byHand]);
        await device.run([`${byHand}/bin/switch-to-configuration`, "switch"]);
      }
      const [, , , fourth, fifth] = releases;
      // The factory's is the installer's, and runs in /run/booted-system as well.
      expect(await generationPaths(fridge)).toEqual([factory, byHand, fourth, fifth]);
      const entries = await device.run(["ls", "/boot/loader/entries"]);
      expect(entries.split("\n")).toEqual([1, 4, 6, 7].map((n) => `nixos-generation-${n}.conf`));
      expect(await fridge.resting()).toEqual([fifth, fifth, fifth]);
    },
  );
});

/** What the generations of the system profile name, oldest first. */
async function generationPaths({ device }: FleetDevice): Promise<string[]> {
  const { all } = await device.generations();
  const paths: string[] = [];
  for (const number of all) {
    paths.push(await device.run(["readlink", `/nix/var/nix/profiles/system-${number}-link`]));
  }
  return paths;
}

async function published(system: Omit<SystemOptions, "gen"> = {}): Promise<string> {
  generation += 1;
  const storePath = await fleet.build({ gen: generation, ...system });
  await fleet.publish(storePath);
  return storePath;
}

/** When an agent said that a state began. */
function loggedAtMs(agent: ProcessHandle, state: string): number {
  const line = agent
    .stderr()
    .split("\n")
    .find((one) => one.includes(`"state":"${state}"`));
  return Date.parse((JSON.parse(line ?? "{}") as { readonly at: string }).at);
}

const status = async (fridge: FleetDevice) => (await fridge.status()) as Status;

/** What the server knows of the attempt under way. */
async function told({ name }: FleetDevice): Promise<string> {
  return (await fleet.operator.device(name))?.attempt?.message ?? "";
}

async function there(fridge: FleetDevice, file: string): Promise<void> {
  await eventually(file, async () =>
    (await fridge.device.exec(["test", "-e", file])).code === 0 ? true : undefined,
  );
}

async function applied(fridge: FleetDevice): Promise<void> {
  await eventually(
    `${fridge.name} applied`,
    async () =>
      (await fleet.operator.lastEnded(fridge.name))?.outcome === "APPLIED" ? true : undefined,
    { describe: () => fridge.agent?.stderr().slice(-2000) ?? "" },
  );
}
