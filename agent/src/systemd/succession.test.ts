import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { serviceSuccession } from "./succession.ts";

let folder: string;
let running: string;
let wayBack: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "nix-ota-succession-"));
  running = join(folder, "current-system");
  wayBack = join(folder, "prev");
});
afterEach(async () => await rm(folder, { recursive: true }));

/** A file in a store, made once. */
async function stored(name: string): Promise<string> {
  const path = join(folder, "store", name);
  await mkdir(join(folder, "store"), { recursive: true });
  await writeFile(path, name, { mode: 0o755 });
  return path;
}

async function system(
  name: string,
  parts: { readonly program?: string; readonly configuration?: string; readonly unit?: string },
): Promise<string> {
  const root = join(folder, name);
  const places = {
    program: "sw/bin/nix-ota-agent",
    configuration: "etc/nix-ota/agent.json",
    unit: "etc/systemd/system/nix-ota-agent.service",
  };
  for (const [part, path] of Object.entries(places)) {
    await mkdir(join(root, path, ".."), { recursive: true });
    const content = parts[part as keyof typeof parts];
    if (content === undefined) continue;
    const target = content.startsWith("/") ? content : await stored(content);
    await symlink(target, join(root, path));
  }
  const wants = join(root, places.unit, "../multi-user.target.wants");
  await mkdir(wants);
  await symlink("../nix-ota-agent.service", join(wants, "nix-ota-agent.service"));
  return root;
}

const whole = { program: "agent-1", configuration: "config-1", unit: "unit-1" };

async function supersededBy(parts: typeof whole | { readonly program?: string }): Promise<boolean> {
  const own = await system("own", whole);
  const succession = await serviceSuccession(own, running, wayBack);
  await symlink(await system("next", parts), running);
  return await succession.superseded();
}

test("another system with the same agent does not supersede the one that runs", async () => {
  expect(await supersededBy(whole)).toBe(false);
});

test.each([
  ["program", { ...whole, program: "agent-2" }],
  ["configuration", { ...whole, configuration: "config-2" }],
  ["unit", { ...whole, unit: "unit-2" }],
])("another %s does", async (_part, parts) => {
  expect(await supersededBy(parts)).toBe(true);
});

test("a system without an agent does not: nobody would start", async () => {
  expect(await supersededBy({})).toBe(false);
});

test("a system whose unit is masked does not: nobody would start it", async () => {
  expect(await supersededBy({ ...whole, unit: "/dev/null" })).toBe(false);
});

test("nothing does while the agent that runs is that of the way back", async () => {
  const own = await system("own", whole);
  const succession = await serviceSuccession(own, running, wayBack);
  await symlink(await system("next", { ...whole, program: "agent-2" }), running);
  await symlink(own, wayBack);
  expect(await succession.superseded()).toBe(false);
  await rm(wayBack);
  expect(await succession.superseded()).toBe(true);
});

test("a way back without an agent of its own is passed over", async () => {
  const own = await system("own", whole);
  const succession = await serviceSuccession(own, running, wayBack);
  await symlink(own, running);
  await symlink(await system("bare", { program: "agent-0" }), wayBack);
  expect(await succession.superseded()).toBe(false);
});
