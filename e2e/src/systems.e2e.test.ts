import { afterAll, beforeAll, expect, test } from "vitest";

import type { AgentState, SystemMode } from "./builder.ts";
import type { Device } from "./device.ts";
import { Workshop } from "./workshop.ts";

const PROFILE = "/nix/var/nix/profiles/system";
const HEALTH = "/run/current-system/sw/bin/sim-health";

let workshop: Workshop;
let factory: string;

beforeAll(async () => {
  workshop = await Workshop.open();
  factory = await workshop.release({ gen: 0 });
});
afterAll(async () => await workshop?.[Symbol.asyncDispose]());

async function install(device: Device, storePath: string): Promise<void> {
  await device.run(["nix", "copy", "--from", `file://${workshop.cacheDir}`, "--", storePath]);
  await device.run(["nix-env", "-p", PROFILE, "--set", storePath]);
}

type Picture = {
  /** Exit code; "cut" when it had to be ended. */
  exit: number | "cut" | null;
  running: "moved" | "stays";
  bootDefault: "moved" | "stays";
  failed: string[];
  /** Exit codes of two health checks; "cut" when one had to be ended. */
  health: (number | "cut" | null)[];
};

const works: Picture = {
  exit: 0,
  running: "moved",
  bootDefault: "moved",
  failed: [],
  health: [0, 0],
};
const still: Picture = {
  exit: 1,
  running: "stays",
  bootDefault: "stays",
  failed: [],
  health: [0, 0],
};

test.each<[SystemMode, Picture]>([
  ["ok", works],
  ["slow", works],
  ["noisy", works],
  ["exit1", still],
  ["fail-bootloader", still],
  ["fail", { ...works, exit: 2 }],
  ["exit4", { ...works, exit: 4, failed: ["app.service"] }],
  ["exit100", { ...works, exit: 100, running: "stays" }],
  ["hang", { ...works, exit: "cut" }],
  ["hang-trap", { ...works, exit: "cut" }],
  ["crash", { ...works, exit: null, running: "stays" }],
  ["fail-health", { ...works, health: [1, 1] }],
  ["flap-health", { ...works, health: [0, 1] }],
  ["hang-health", { ...works, health: ["cut", "cut"] }],
])(
  "a switch to a system in mode %s keeps switch-to-configuration's contract",
  async (mode, picture) => {
    const system = await workshop.release({ gen: 1, mode, seconds: 1 });
    await using device = await workshop.device(`switch-${mode}`, factory);
    await install(device, system);
    const timeoutMs = 1_500;
    const switched = await device.exec([`${system}/bin/switch-to-configuration`, "switch"], {
      timeoutMs: mode.startsWith("hang") ? timeoutMs : 60_000,
    });
    const checks = [
      await device.exec([HEALTH], { timeoutMs }),
      await device.exec([HEALTH], { timeoutMs }),
    ];
    const links = await device.links();
    const seen: Picture = {
      exit: switched.timedOut ? "cut" : switched.code,
      running: links.running === system ? "moved" : "stays",
      bootDefault: links.bootDefault === system ? "moved" : "stays",
      failed: (await device.run(["ls", "/run/sim/failed-units"])).split("\n").filter(Boolean),
      health: checks.map((check) => (check.timedOut ? "cut" : check.code)),
    };
    expect(seen).toEqual(picture);
    expect(switched.stderr.length > 1_000_000).toBe(mode === "noisy");
  },
);

test("an empty switch-to-configuration has no bytes and is executable", async () => {
  const system = await workshop.release({ gen: 1, mode: "empty" });
  await using device = await workshop.device("switch-empty", factory);
  await install(device, system);
  const script = `${system}/bin/switch-to-configuration`;
  expect(await device.run(["stat", "-c", "%s %A", script])).toBe("0 -r-xr-xr-x");
});

test("a generation transfers only its changed paths, and builds the same on another machine", async () => {
  const [first, second] = [await workshop.release({ gen: 5 }), await workshop.release({ gen: 6 })];
  const [before, after] = [
    await workshop.builder.closure(first),
    await workshop.builder.closure(second),
  ];
  expect(before.length).toBeGreaterThan(25);
  // Five packages, the two that collect them, etc, and the toplevel; no other.
  const changed = after.filter((path) => !before.includes(path)).map((path) => path.slice(44));
  expect(changed.toSorted()).toEqual([
    "etc",
    "nixos-system-device-24.05.6",
    ...[0, 1, 2, 3, 4].map((index) => `package${index}-1.6`),
    "system-path",
  ]);
  await using other = await Workshop.open();
  expect(await other.release({ gen: 6 })).toBe(second);
});

test("a system outside the profile runs but does not become the boot default", async () => {
  const system = await workshop.release({ gen: 2 });
  await using device = await workshop.device("outside", factory);
  await device.run(["nix", "copy", "--from", `file://${workshop.cacheDir}`, "--", system]);
  await device.run([`${system}/bin/switch-to-configuration`, "switch"]);
  expect(await device.links()).toMatchObject({ running: system, bootDefault: factory });
});

test("a switch fails at once with 11 while another one holds the lock", async () => {
  await using device = await workshop.device("locked", factory);
  await device.run(["mkdir", "-p", "/run/nixos"]);
  const lock = "/run/nixos/switch-to-configuration.lock";
  const holder = await device.spawn(["flock", lock, "sh", "-c", "echo held; sleep 7000"]);
  await holder.waitForLine((line) => (line === "held" ? true : undefined), 5_000);
  const script = `${factory}/bin/switch-to-configuration`;
  expect((await device.exec([script, "test"])).code).toBe(11);
  holder.killGroup();
  await holder.exited;
  expect((await device.exec([script, "test"])).code).toBe(0);
});

test("a unit that failed before fails after too, and a healthy system clears it", async () => {
  const broken = await workshop.release({ gen: 3, failing: ["printer.service"] });
  await using device = await workshop.device("baseline", broken);
  const failed = async () => await device.run(["ls", "/run/sim/failed-units"]);
  expect(await failed()).toBe("printer.service");
  const worse = await workshop.release({ gen: 4, mode: "exit4", failing: ["printer.service"] });
  await install(device, worse);
  expect((await device.exec([`${worse}/bin/switch-to-configuration`, "switch"])).code).toBe(4);
  expect(await failed()).toBe("app.service\nprinter.service");
});

test("a system says which channel and units it carries, and an orphaning one carries none", async () => {
  const agentJson = { channel: "prod", publicKeys: ["prod:AAAA"] };
  const kept = await workshop.release({ gen: 7, agentJson });
  const orphaning = await workshop.release({ gen: 7, agentJson, agent: "no" });
  const read = async (path: string) => await workshop.builder.exec(["cat", path]);
  const config = await read(`${kept}/etc/nix-ota/agent.json`);
  expect(JSON.parse(config.stdout)).toEqual(agentJson);
  expect((await read(`${kept}/etc/systemd/system/nix-ota-agent.service`)).stdout).toContain(
    "X-RestartIfChanged=false",
  );
  expect((await read(`${orphaning}/etc/nix-ota/agent.json`)).code).toBe(1);
  expect((await read(`${orphaning}/etc/systemd/system/nix-ota-agent.service`)).code).toBe(1);
});

// oxfmt-ignore
test.each<[AgentState, number | "cut", number | "cut", number]>([
  // state      --version  self-test --help  boot service
  ["yes",       0,         0,                0],
  ["no",        127,       127,              1],
  ["broken",    1,         1,                0],
  ["hangs",     "cut",     "cut",            0],
  ["missing",   127,       127,              0],
  ["unfit",     0,         4,                0],
  ["no-boot",   0,         0,                1],
])("a system whose agent is `%s` carries such a program and units", async (agent, version, selfTest, boot) => {
  const system = await workshop.release({ gen: 8, agent });
  const ended = async (...argv: string[]) => {
    const { code, timedOut } = await workshop.builder.exec(argv, { timeoutMs: agent === "hangs" ? 500 : 30_000 });
    return timedOut ? "cut" : code;
  };
  const program = `${system}/sw/bin/nix-ota-agent`;
  expect(await ended(program, "--version")).toBe(version);
  expect(await ended(program, "self-test", "--help")).toBe(selfTest);
  expect(await ended("test", "-e", `${system}/etc/systemd/system/nix-ota-boot.service`)).toBe(boot);
});
