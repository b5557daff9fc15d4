import { existsSync } from "node:fs";
import { readFile, readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";

import { eventually } from "./eventually.ts";
import { runCommand } from "./run-command.ts";

/** Why this host cannot boot a systemd in a container; undefined: it can. */
export async function systemdImpossible(): Promise<string | undefined> {
  if (process.getuid?.() !== 0)
    return "machines with systemd take root: systemd-nspawn refuses others";
  // A container moves the root of its mount namespace aside, and in a chroot that is out of reach.
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  if (!mounts.some((line) => line.split(" ")[4] === "/"))
    return "machines with systemd cannot be made inside a chroot";
  if (!existsSync("/usr/lib/systemd/systemd") || !existsSync("/usr/bin/dbus-daemon"))
    return "systemd or dbus is not where Debian has it: the machine's /usr is the host's";
  const mounted = await runCommand(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
  if (mounted.code !== 0) return `nothing can be mounted here: ${mounted.stderr.trim()}`;
  if ((await cgroupFolders()).length === 0) return "there is no /sys/fs/cgroup to make a group in";
  return undefined;
}

/**
 * Folders of this process's own control group in the hierarchies that systemd uses. A container needs
 * a group of its own below them: two in one would take each other's processes for theirs.
 */
export async function cgroupFolders(): Promise<readonly string[]> {
  const lines = (await readFile("/proc/self/cgroup", "utf8")).trim().split("\n");
  const own = (controllers: string) =>
    lines.map((line) => line.split(":")).find(([, name]) => name === controllers)?.[2];
  const mounts: readonly (readonly [folder: string, controllers: string])[] = existsSync(
    "/sys/fs/cgroup/cgroup.procs",
  )
    ? [["/sys/fs/cgroup", ""]]
    : [
        ["/sys/fs/cgroup/unified", ""],
        ["/sys/fs/cgroup/systemd", "name=systemd"],
      ];
  return mounts.flatMap(([folder, controllers]) => {
    const path = own(controllers);
    return path === undefined || !existsSync(join(folder, path)) ? [] : [join(folder, path)];
  });
}

/** A control group can be removed when the groups in it are gone and its last process was buried. */
export async function removeGroup(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (entry.isDirectory()) await removeGroup(join(folder, entry.name));
  await eventually(`the end of ${folder}`, async () => {
    return await rmdir(folder).then(
      () => true,
      (cause: NodeJS.ErrnoException) => (cause.code === "ENOENT" ? true : undefined),
    );
  });
}
