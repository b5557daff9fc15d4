import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, it } from "vitest";

import { storePathOf } from "./store-paths.testkit.ts";
import { temporaryFolder } from "./temporary-folder.testkit.ts";
import { needsReboot, resolveStorePath, toplevelSystem } from "./toplevel.ts";

/** The outward form of a NixOS system. */
async function layOut(path: string, given: { kernel?: string; params?: string } = {}) {
  await mkdir(join(path, "bin"), { recursive: true });
  const program = join(path, "bin/switch-to-configuration");
  await writeFile(program, "#!/bin/sh\n", { mode: 0o755 });
  await writeFile(join(path, "system"), "x86_64-linux");
  await writeFile(join(path, "kernel-params"), given.params ?? "loglevel=4");
  const kernel = `${path}-${given.kernel ?? "6.6"}`.replace(/[^/]*$/u, given.kernel ?? "6.6");
  await writeFile(kernel, "kernel");
  await symlink(kernel, join(path, "kernel"));
  await mkdir(join(path, "systemd"));
  return { path, program };
}

it("gives the system that a toplevel is for", async () => {
  await using folder = await temporaryFolder();
  const { path } = await layOut(join(folder.path, "a"));
  expect(await toplevelSystem(path)).toBe("x86_64-linux");
});

it("refuses what devices could not switch to, saying what to do", async () => {
  await using folder = await temporaryFolder();
  const absent = join(folder.path, "absent");
  await expect(toplevelSystem(absent)).rejects.toThrow(/is not in the local store; build it here/u);
  await expect(toplevelSystem(folder.path)).rejects.toThrow(
    /is no NixOS system: it lacks bin\/switch-to-configuration; build config\.system\.build\.toplevel/u,
  );
  const { path, program } = await layOut(join(folder.path, "a"));
  await writeFile(join(path, "system"), "");
  await expect(toplevelSystem(path)).rejects.toThrow(/it lacks its system file/u);
  await chmod(program, 0o644);
  await expect(toplevelSystem(path)).rejects.toThrow(/is not executable/u);
  await writeFile(program, "");
  await expect(toplevelSystem(path)).rejects.toThrow(/is empty; repair it with/u);
});

it("tells a reboot by kernel and parameters, not by the toplevel's own place", async () => {
  await using folder = await temporaryFolder();
  const before = await layOut(join(folder.path, "a"));
  const same = await layOut(join(folder.path, "b"));
  const kernel = await layOut(join(folder.path, "c"), { kernel: "6.7" });
  const params = await layOut(join(folder.path, "d"), { params: "quiet" });
  expect(await needsReboot(before.path, same.path)).toBe(false);
  expect(await needsReboot(before.path, kernel.path)).toBe(true);
  expect(await needsReboot(before.path, params.path)).toBe(true);
  expect(await needsReboot(before.path, join(folder.path, "absent"))).toBeUndefined();
});

it("takes a store path as it is and refuses links that lead elsewhere", async () => {
  await using folder = await temporaryFolder();
  expect(await resolveStorePath(storePathOf("till"))).toBe(storePathOf("till"));
  await symlink("/etc", join(folder.path, "result"));
  await expect(resolveStorePath(join(folder.path, "result"))).rejects.toThrow(/is no store path/u);
});
