import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { startsUnit } from "./started-unit.ts";

const UNIT = "nix-ota-agent.service";

let system: string;

beforeEach(async () => {
  system = await mkdtemp(join(tmpdir(), "nix-ota-started-unit-"));
});
afterEach(async () => await rm(system, { recursive: true }));

/** The units of a system, as NixOS lays them out: links, also where a unit is not enabled. */
async function units(parts: { readonly unit?: string; readonly wantedBy?: string }) {
  const folder = join(system, "etc/systemd/system");
  await mkdir(folder, { recursive: true });
  await writeFile(join(system, "unit"), "[Service]\n");
  await writeFile(join(system, "empty"), "");
  if (parts.unit !== undefined) await symlink(parts.unit, join(folder, UNIT));
  if (parts.wantedBy === undefined) return;
  await mkdir(join(folder, parts.wantedBy));
  await symlink(`../${UNIT}`, join(folder, parts.wantedBy, UNIT));
}

test.each(["multi-user.target.wants", "multi-user.target.requires"])(
  "a system starts a unit that stands in %s",
  async (wantedBy) => {
    await units({ unit: join(system, "unit"), wantedBy });
    expect(await startsUnit(system, UNIT)).toBe(true);
  },
);

test.each([
  ["is masked", "/dev/null", "multi-user.target.wants"],
  ["is empty", "../../../empty", "multi-user.target.wants"],
  ["leads nowhere", "/nonexistent", "multi-user.target.wants"],
  ["nothing wants", "../../../unit", undefined],
  ["a target wants that no boot reaches", "../../../unit", "rescue.target.wants"],
  ["is not there", undefined, "multi-user.target.wants"],
])("a system does not start a unit that %s", async (_what, unit, wantedBy) => {
  await units({
    ...(unit === undefined ? {} : { unit }),
    ...(wantedBy === undefined ? {} : { wantedBy }),
  });
  expect(await startsUnit(system, UNIT)).toBe(false);
});
