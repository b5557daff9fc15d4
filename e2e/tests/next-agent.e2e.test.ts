import { writeFile } from "node:fs/promises";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { SystemOptions } from "../src/builder.ts";
import { Fleet } from "../src/fleet.ts";

/** The update after an update is made by the agent that the first one brings. */

const ORDERS = ["prove-first", "switch"] as const;

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

type Agent = NonNullable<SystemOptions["agent"]>;

test.each<[Agent, (typeof ORDERS)[number], string]>([
  ["broken", "prove-first", "the agent of this system is broken"],
  ["unfit", "prove-first", "this agent finds itself unfit"],
  ["unfit", "switch", "this agent finds itself unfit"],
  ["hangs", "prove-first", "it did not end within"],
])(
  "a system whose agent is `%s` is rolled back in the order %s, and never tried again",
  async (agent, order, sentence) => {
    const { device, ended, quarantined } = await take({ agent }, order);
    expect(ended).toMatchObject({ outcome: "ROLLED_BACK", failure: "AGENT_UNFIT" });
    expect(ended?.message).toContain(sentence);
    expect(ended?.message).toContain("publish a higher revision");
    expect(await device.resting()).toEqual([factory, factory, factory]);
    expect(quarantined).toEqual([generation]);
  },
);

test.each<[Agent, string]>([
  ["no", "etc/nix-ota/agent.json"],
  ["missing", "sw/bin/nix-ota-agent"],
  ["no-boot", "nix-ota-boot.service"],
  ["masked", "nix-ota-agent.service"],
])("a system whose agent is `%s` is refused before it is activated", async (agent, part) => {
  const { device, ended } = await take({ agent }, "prove-first");
  expect(ended).toMatchObject({ outcome: "FAILED", failure: "ORPHANED" });
  expect(ended?.message).toContain(`has no ${part}`);
  expect(ended?.message).toContain("--allow-agent-removal");
  expect(await device.resting()).toEqual([factory, factory, factory]);
});

test.each([
  ["another server", { server: "http://127.0.0.1:1" }, "does not answer"],
  ["a state directory of its own", { stateDir: "/etc/nix-ota/elsewhere" }, "set stateDir"],
  ["a configuration that its agent does not read", { pollInterval: "often" }, "pollInterval"],
])("a system whose agent has %s is rolled back", async (_what, changes, sentence) => {
  const agentJson = { ...fleet.agentJson(), ...changes };
  const { device, ended } = await take({ agentJson }, "prove-first");
  expect(ended).toMatchObject({ outcome: "ROLLED_BACK", failure: "AGENT_UNFIT" });
  expect(ended?.message).toContain(sentence);
  expect(await device.resting()).toEqual([factory, factory, factory]);
});

test("a device that cannot reach its server keeps a system whose agent cannot either", async () => {
  const storePath = await publish({});
  const device = await fleet.device(`device-${generation}`, factory);
  // Fetched and staged before the outage, so that it goes on by what was said to it.
  const crashed = await device.crash("armed", "entered");
  expect(crashed.signal ?? crashed.code).toSatisfy(
    (end: unknown) => end === "SIGKILL" || end === 137,
  );
  await fleet.server.handle.stop();
  try {
    await device.once(90_000);
  } finally {
    await fleet.restartServer("in order");
  }
  expect(await device.resting()).toEqual([storePath, storePath, storePath]);
});

describe("the self-test by hand", () => {
  test("says in one sentence that the device is served, and changes nothing", async () => {
    const device = await fleet.device("by-hand", factory);
    const never = await device.command("self-test");
    expect(never).toMatchObject({ code: 0, stdout: expect.stringContaining("has no key yet") });
    await device.once();
    const before = await device.stateFiles();
    const { code, stdout } = await device.command("self-test");
    expect({ code, lines: stdout.split("\n").length }).toEqual({ code: 0, lines: 2 });
    expect(stdout).toContain("knows the device");
    expect(await device.stateFiles()).toEqual(before);
  });

  test("tells records that a later agent wrote from a device without any", async () => {
    const device = await fleet.device("downgraded", factory);
    await device.once();
    for (const slot of ["a", "b"])
      await writeFile(device.device.hostPath(`state/journal.${slot}`), "a later format");
    expect(await device.command("self-test")).toMatchObject({
      code: 4,
      stdout: expect.stringContaining("no older than the device's"),
    });
  });
});

async function publish(system: Omit<SystemOptions, "gen">): Promise<string> {
  generation += 1;
  const storePath = await fleet.build({ ...system, gen: generation });
  await fleet.publish(storePath);
  return storePath;
}

async function take(system: Omit<SystemOptions, "gen">, order: (typeof ORDERS)[number]) {
  const storePath = await publish(system);
  const device = await fleet.device(`device-${generation}`, factory, {
    activation: order,
    settings: { selfTest: { limitMs: system.agent === "hangs" ? 3_000 : 20_000 } },
  });
  const result = await device.once(90_000);
  const ended = await fleet.operator.lastEnded(device.name);
  expect(ended, result.stderr).toBeDefined();
  const { quarantinedRevisions } = (await fleet.operator.device(device.name)) ?? {};
  return { device, ended, storePath, quarantined: quarantinedRevisions?.map(Number) };
}
