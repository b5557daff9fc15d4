import { rm } from "node:fs/promises";

import { afterAll, beforeAll, expect, test } from "vitest";

import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";
import { entryFile } from "../src/processes.ts";
import { expectSuccess, runCommand } from "../src/run-command.ts";

/** One story, told in order: a server that dies, its backup of the day before, and a fleet that is ahead of it. */
let fleet: Fleet;
let fridge: FleetDevice;
let adminFile = "";
const systems: string[] = [];

beforeAll(async () => {
  fleet = await Fleet.open();
  for (const gen of [0, 1, 2, 3]) systems.push(await fleet.build({ gen }));
  fridge = await fleet.device("fridge", systems[0] ?? "");
  adminFile = fleet.workshop.folder.join("server", "first-admin.token");
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

const running = async () => systems.indexOf((await fridge.device.links()).running ?? "");
const asAdmin = (...argv: string[]) => [
  ...argv,
  ...["--server", fleet.server.url, "--token-file", adminFile],
];

/** A command of the server's program, while no server runs. */
async function server(...command: string[]): Promise<string> {
  const dataDir = fleet.workshop.folder.join("server");
  const argv = [process.execPath, entryFile("services"), "--data-dir", dataDir, ...command];
  const result = await runCommand(argv, { timeoutMs: 120_000 });
  return expectSuccess(argv, result) + result.stderr;
}

test("a backup is made, and the fleet goes on without it", async () => {
  await fleet.publish(systems[1] ?? "");
  await fridge.once();
  expect(await running()).toBe(1);
  await fleet.server.handle.stop();
  await server("export", fleet.workshop.folder.join("backup"));
  await fleet.restartServer("in order");
  await fleet.publish(systems[2] ?? "");
  await fridge.once();
  expect(await running()).toBe(2);
});

test("the restored server knows that it is behind, and the device keeps what it has", async () => {
  await fleet.server.handle.stop();
  await rm(fleet.workshop.folder.join("server", "postgres"), { recursive: true });
  expect(await server("import", fleet.workshop.folder.join("backup"))).toContain("recover");
  await fleet.restartServer("in order");
  await fridge.once();
  expect(await running()).toBe(2);
  const { sentence } = await fleet.operator.devices.explainDevice({ deviceId: "fridge" });
  expect(sentence).toContain("restored from an older backup");
});

test("the manifest that the device gave back is published again, and is the head", async () => {
  const shown = await fleet.cliJson(...asAdmin("channel", "recover", "prod", "--dry-run"));
  expect(shown).toMatchObject({ manifests: [{ revision: 2, storePath: systems[2] }] });
  await fleet.cliJson(...asAdmin("channel", "recover", "prod", "--yes"));
  const { channel } = await fleet.operator.channels.getChannel({ name: "prod" });
  expect(channel).toMatchObject({ headRevision: 2n, paused: true });
  const { result } = await fleet.operator.channels.getCurrent({ channel: "prod" });
  expect(result.case).toBe("hold");
});

test("once it is resumed the channel goes on from there", async () => {
  await fleet.cliJson(...asAdmin("channel", "resume", "prod"));
  await fridge.once();
  expect(await running()).toBe(2);
  await fleet.publish(systems[3] ?? "");
  await fridge.once();
  expect(await running()).toBe(3);
});
