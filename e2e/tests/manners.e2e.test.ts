import { uptime } from "node:os";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { eventually } from "../src/eventually.ts";
import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";

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
    expect(await resting(fridge)).toEqual([factory, factory, factory]);
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
    expect(await resting(fridge)).toEqual([storePath, storePath, storePath]);
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
    expect(await resting(fridge)).toEqual([factory, factory, factory]);
    await fridge.device.run(["touch", "/run/done"]);
    expect((await inhibitor.exited).code).toBe(7);
    await applied(fridge);
    await fridge.stopAgent();
    expect(await resting(fridge)).toEqual([storePath, storePath, storePath]);
  });

  test("that comes in the middle of an update waits for its end", async () => {
    const fridge = await fleet.device("patient", factory, SELDOM);
    const storePath = await published({ mode: "slow", seconds: 2 });
    const agent = await fridge.startAgent();
    await agent.waitForLine((line) => line.includes("armed → activating") || undefined, 60_000);
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
    expect(await resting(fridge)).toEqual([storePath, storePath, storePath]);
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
  expect(await resting(fridge)).toEqual([storePath, storePath, storePath]);

  await published();
  await (
    await fridge.inhibit("--for", "1s")
  ).exited;
  await eventually("the end of the time", async () => {
    await fridge.once();
    return (await status(fridge)).state === "idle" ? true : undefined;
  });
});

async function published(system: { mode?: "slow"; seconds?: number } = {}): Promise<string> {
  generation += 1;
  const storePath = await fleet.build({ gen: generation, ...system });
  await fleet.publish(storePath);
  return storePath;
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

/** What runs, what the profile names, what boots next. */
async function resting({ device }: FleetDevice) {
  const { running, profile, bootDefault } = await device.links();
  return [running, profile, bootDefault];
}
