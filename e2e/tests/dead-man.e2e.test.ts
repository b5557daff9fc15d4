import { readFile, truncate } from "node:fs/promises";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { records, wrongAtRest } from "../src/at-rest.ts";
import { eventually } from "../src/eventually.ts";
import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";
import type { ProcessHandle } from "../src/process-handle.ts";

type Order = "prove-first" | "switch";

/** The timer is far unless a test waits for it: the others fire by hand what it would run. */
const SETTINGS = { deadMan: { graceMs: 300, retryMs: 300 } };
/** On top of the limits of `agent-config.ts`, which are 13 s: enough to come as far as the agent is let. */
const TIMED = { settings: { deadMan: { ...SETTINGS.deadMan, marginMs: 5_000 } } };

let fleet: Fleet;
let factory: string;
let devices = 0;
let revision = 0;

beforeAll(async () => {
  fleet = await Fleet.open();
  factory = await fleet.build({ gen: 0 });
});
afterAll(async () => await fleet[Symbol.asyncDispose]());

describe("the dead-man of a device whose agent", () => {
  let release: string;

  beforeAll(async () => {
    release = await fleet.build({ gen: 1 });
    await publish(release);
  });

  // oxfmt-ignore
  test.each([
    ["hangs",   "activating", "prove-first"],
    ["hangs",   "probation",  "switch"],
    ["is dead", "activating", "switch"],
    ["is dead", "probation",  "prove-first"],
    ["is dead", "committing", "prove-first"],
  ] as const)(
    "%s in %s, in the order %s, goes back, and the next agent tries again",
    async (how, state, order) => {
      const fridge = await device(order);
      const agent = await agentThat(fridge, how, state);
      await fire(fridge);
      await expectKilled(agent);
      expect(await undone(fridge)).toEqual([]);
      const { journal } = await records(fridge);
      const remedy = how === "hangs" ? "the agent hung while" : "no agent ran while";
      expect(journal?.last?.message).toContain(`${remedy} ${state}`);
      await triesAgain(fridge, release);
    },
  );

  test("hangs while the switch hangs ends both", async () => {
    await publish(await fleet.build({ gen: 2, mode: "hang-trap" }));
    const fridge = await device("prove-first");
    const agent = await fridge.startAgent();
    const hangs = async () =>
      (await fridge.device.run(["ps", "-eo", "args"])).includes("bin/switch-to-configuration test");
    await eventually("a switch", async () => ((await hangs()) ? true : undefined));
    agent.kill("SIGSTOP");
    await fire(fridge);
    await expectKilled(agent);
    expect(await undone(fridge)).toEqual([]);
    expect(await hangs()).toBe(false);
    await publish(release);
  });

  test("is dead goes on from the journal's other slot when the newest is torn", async () => {
    const fridge = await device("prove-first");
    await agentThat(fridge, "is dead", "probation");
    await truncate(await newestSlot(fridge), 100);
    expect((await records(fridge)).journal?.machine.state.name).toBe("activating");
    await fire(fridge);
    expect(await undone(fridge)).toEqual([]);
  });

  test("hangs, beside another agent that waits for the lock, leaves one of the two to end the attempt", async () => {
    const fridge = await device("switch");
    const agent = await agentThat(fridge, "hangs", "probation");
    await fridge.startAgent();
    await fire(fridge);
    await expectKilled(agent);
    // It gave up, was let in for a moment and ended as well, or was faster and proved the release.
    await fridge.stopAgent();
    const { journal } = await records(fridge);
    const applied = {
      system: release,
      outcome: "APPLIED",
      floorRevision: revision,
    } as const;
    const wrong =
      journal?.last?.outcome === "applied"
        ? await wrongAtRest(fleet, fridge, applied)
        : await undone(fridge);
    expect(wrong).toEqual([]);
  });
});

describe("a dead-man that fires", () => {
  test("when its attempt has been committed changes nothing and lets the agent be", async () => {
    const release = await fleet.build({ gen: 3 });
    await publish(release);
    const fridge = await device("prove-first");
    await fridge.once();
    const { journal } = await records(fridge);
    expect(journal?.last?.outcome).toBe("applied");
    const holder = await lockHolder(fridge);
    const agent = await fridge.startAgent();
    await eventually("an agent at work", async () =>
      (await lockHolder(fridge)) === holder ? undefined : true,
    );
    await fire(fridge, journal?.last?.id);
    expect(agent.exit).toBeUndefined();
    await fridge.stopAgent();
    expect(
      await wrongAtRest(fleet, fridge, {
        system: release,
        outcome: "APPLIED",
        floorRevision: revision,
      }),
    ).toEqual([]);
  });
});

describe("the timer of the dead-man", () => {
  /** The device is back a moment before the dead-man itself has ended. */
  async function ends(fridge: FleetDevice, system: string): Promise<void> {
    await expect.poll(async () => await undone(fridge, system), { timeout: 45_000 }).toEqual([]);
  }

  const returned = async (fridge: FleetDevice, system: string) =>
    await eventually("a return", async () => ((await back(fridge, system)) ? true : undefined));

  test("goes back by itself, by the agent before that of the release, which is broken", async () => {
    await publish(await fleet.build({ gen: 4, agent: "broken" }));
    const fridge = await device("prove-first", TIMED);
    const agent = await agentThat(fridge, "hangs", "activating");
    expect(await returned(fridge, factory)).toBe(true);
    await expectKilled(agent);
    await ends(fridge, factory);
  });

  test("brings the device back although the dead-man is killed half way", async () => {
    const slow = await fleet.build({ gen: "slow", mode: "slow", seconds: 3 });
    const release = await fleet.build({ gen: 5 });
    await publish(release);
    const fridge = await device("switch", TIMED, slow);
    const agent = await agentThat(fridge, "hangs", "probation");
    await eventually("a return that has begun", async () =>
      (await state(fridge)) === "rollingBack" ? true : undefined,
    );
    await fridge.device.run([
      "sh",
      "-c",
      'kill -9 $(cut -d " " -f 1 "$1"/lock)',
      "sh",
      fridge.device.stateDir,
    ]);
    expect(await returned(fridge, slow)).toBe(true);
    await expectKilled(agent);
    await ends(fridge, slow);
    await triesAgain(fridge, release);
  });
});

async function publish(storePath: string): Promise<void> {
  await fleet.publish(storePath);
  revision += 1;
}

async function device(
  order: Order,
  more: { readonly settings: Readonly<Record<string, unknown>> } = { settings: SETTINGS },
  system = factory,
): Promise<FleetDevice> {
  devices += 1;
  return await fleet.device(`fridge-${devices}`, system, { activation: order, ...more });
}

/** An agent that came as far as a state and stands still there, or is gone. */
async function agentThat(
  fridge: FleetDevice,
  how: "hangs" | "is dead",
  inState: string,
): Promise<ProcessHandle> {
  const what = how === "hangs" ? "hold" : "kill";
  const agent = await fridge.startCrashing("--state", inState, "--at", "entered", "--do", what);
  if (how === "is dead") await agent.exited;
  else await agent.waitForLine((line) => (line.includes(inState) ? true : undefined), 60_000);
  // Deaf to a request to end as well.
  if (how === "hangs") agent.kill("SIGSTOP");
  expect(await state(fridge)).toBe(inState);
  return agent;
}

/** What the timer runs, at once. */
async function fire(fridge: FleetDevice, id?: string): Promise<void> {
  const { machine } = (await records(fridge)).journal ?? {};
  const attempt =
    id ?? (machine !== undefined && "attempt" in machine.state ? machine.state.attempt.id : "");
  const program = `${(await fridge.device.links()).booted}/sw/bin/nix-ota-agent`;
  const argv = [program, "dead-man", "--attempt", attempt, "--config", "/etc/nix-ota/agent.json"];
  const { code, stderr } = await fridge.device.exec(argv, { timeoutMs: 60_000 });
  expect(code, stderr).toBe(0);
}

const state = async (fridge: FleetDevice) => (await records(fridge)).journal?.machine.state.name;

/** The process that took the lock last, in the numbers of the device. */
async function lockHolder({ device: { stateDir } }: FleetDevice): Promise<string> {
  return await readFile(`${stateDir}/lock`, "utf8");
}

/** Whether everything is as before the attempt, and the attempt over. */
async function back(fridge: FleetDevice, system = factory): Promise<boolean> {
  const { running, profile, bootDefault } = await fridge.device.links();
  const all = [running, profile, bootDefault].every((link) => link === system);
  return all && (await state(fridge)) === "idle";
}

async function expectKilled(agent: ProcessHandle): Promise<void> {
  expect(await processState(agent)).toMatch(/^[ZX]?$/);
  // What entered the device for it stood still with it.
  agent.killGroup("SIGCONT");
  await agent.exited;
}

/** As /proc tells it; empty: it is gone, and was waited for. */
async function processState({ pid }: ProcessHandle): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return text.slice(text.lastIndexOf(")")).charAt(2);
}

/** What an ended return leaves undone; none: everything is as before the attempt. */
async function undone(fridge: FleetDevice, system = factory): Promise<readonly string[]> {
  const { last } = (await records(fridge)).journal ?? {};
  const ended = `${last?.outcome} ${last?.failureCode}`;
  const processes = (await fridge.device.run(["ps", "-eo", "args"])).split("\n");
  return [
    ...(ended === "rolled_back OVERDUE" ? [] : [`the attempt ended as ${ended}`]),
    ...((await back(fridge, system)) ? [] : ["the device is not back"]),
    ...processes.filter((line) => /switch-to-configuration|crashing-agent|dead-man/.test(line)),
  ];
}

/** Nothing was the release's own fault: the next agents take it, and tell how both attempts ended. */
async function triesAgain(fridge: FleetDevice, release: string): Promise<void> {
  await eventually(`${release} on ${fridge.name}`, async () => {
    await fridge.once();
    return (await fridge.device.links()).bootDefault === release ? true : undefined;
  });
  await fridge.once();
  const expected = {
    system: release,
    outcome: "APPLIED",
    floorRevision: revision,
    before: "ROLLED_BACK",
  } as const;
  expect(await wrongAtRest(fleet, fridge, expected)).toEqual([]);
}

async function newestSlot({ device: { stateDir } }: FleetDevice): Promise<string> {
  const slots = [`${stateDir}/journal.a`, `${stateDir}/journal.b`];
  const sequences = await Promise.all(
    slots.map(
      async (slot) => (JSON.parse(await readFile(slot, "utf8")) as { sequence: number }).sequence,
    ),
  );
  return slots[sequences.indexOf(Math.max(...sequences))] ?? "";
}
