import { rm, writeFile } from "node:fs/promises";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { AgentConfig } from "../src/agent-config.ts";
import type { SystemOptions } from "../src/builder.ts";
import { agentArgv } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";

/** The update after an update is made by the agent that the first one brings. */

/** Sound, and nobody's. */
const OTHER_KEY = "other:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";

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

// oxfmt-ignore
test.each<[what: string, changes: object, sentence: string]>([
  ["another target",                    { target: "oven" },                   'for target "", not "oven"'],
  ["a threshold that nobody reached",   { publicKeys: [OTHER_KEY], threshold: 2 }, "2 have to"],
])("a system whose agent has %s is refused before it is activated", async (_what, changes, sentence) => {
  const { device, ended } = await take({ agentJson: { ...fleet.agentJson(), ...changes } }, "prove-first");
  expect(ended).toMatchObject({ outcome: "FAILED", failure: "ORPHANED" });
  expect(ended?.message).toContain(sentence);
  expect(await device.resting()).toEqual([factory, factory, factory]);
});

test.each([
  ["another server", { server: "http://127.0.0.1:1" }, "does not answer"],
  ["a state directory of its own", { stateDir: "/etc/nix-ota/elsewhere" }, "set stateDir"],
  // A file of the closure itself: which id it holds is known once the closure runs.
  [
    "an id of its own",
    { deviceIdFile: "/run/current-system/etc/hostname" },
    "would go by the id device, the device is device-",
  ],
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

test.each<[what: string, system: { agent?: Agent; changes: object }, leave: readonly string[]]>([
  [
    "other keys and another channel",
    { changes: { publicKey: OTHER_KEY, channel: "beta" } },
    ["--allow-key-change", "--next-channel", "beta"],
  ],
  [
    "an agent that does not start any more, whatever its configuration says",
    { agent: "masked", changes: { target: "oven" } },
    ["--allow-agent-removal"],
  ],
])(
  "signed leave lets a system through that has %s",
  async (_what, { changes, ...system }, leave) => {
    const agentJson = { ...fleet.agentJson(), ...changes };
    const { device, ended, storePath } = await take({ ...system, agentJson }, "prove-first", leave);
    expect(ended?.outcome, ended?.message).toBe("APPLIED");
    expect(await device.resting()).toEqual([storePath, storePath, storePath]);
  },
);

test("in an update an agent tries the release that is under way on its own gate", async () => {
  await publish({});
  const device = await fleet.device(`device-${generation}`, factory);
  await device.crash("probation", "entered");
  const { attempt } = (await device.status()) as { attempt: { id: string } };
  const asked = async (changes: AgentConfig, deviceId = device.name, id = attempt.id) => {
    await device.configure({ target: null, publicKey: fleet.publicKey, ...changes });
    const words = [
      `NIX_OTA_ATTEMPT=${id}`,
      `NIX_OTA_DEVICE=${deviceId}`,
      ...agentArgv("self-test"),
    ];
    const { code, stdout } = await device.device.exec(["env", ...words]);
    return { code, stdout };
  };
  const refuses = (cause: string) => ({ code: 4, stdout: expect.stringContaining(cause) });
  expect(await asked({})).toMatchObject({ code: 0 });
  expect(await asked({ target: "oven" })).toEqual(
    refuses('refuse the release that it came with: the manifest is for target "", not "oven"; '),
  );
  expect(await asked({ publicKey: OTHER_KEY })).toEqual(refuses("no signature of the manifest"));
  expect(await asked({}, "oven")).toEqual(
    refuses(`go by the id ${device.name}, the device is oven`),
  );

  // Nothing follows from a manifest that is not there any more.
  await rm(device.device.hostPath("state/manifests"), { recursive: true });
  expect(await asked({ target: "oven" })).toMatchObject({ code: 0 });
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

async function publish(
  system: Omit<SystemOptions, "gen">,
  leave: readonly string[] = [],
): Promise<string> {
  generation += 1;
  const storePath = await fleet.build({ ...system, gen: generation });
  await fleet.publish(storePath, ...leave);
  return storePath;
}

async function take(
  system: Omit<SystemOptions, "gen">,
  order: (typeof ORDERS)[number],
  leave: readonly string[] = [],
) {
  const storePath = await publish(system, leave);
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
