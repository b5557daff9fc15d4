import { randomBytes } from "node:crypto";
import { mkdir, rmdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { DEVICE_ID_FILE } from "./agent-config.ts";
import { layOutMachine } from "./machine-folder.ts";

/** Units of Debian that wait for a console, users or hardware, which no container has. */
const MASKED = [
  "systemd-logind.service",
  "systemd-update-utmp.service",
  "systemd-update-utmp-runlevel.service",
  "getty.target",
];

/** What a merged-usr system has besides `/usr`, and units that wake nothing that a container lacks. */
export async function layOutSystemdRoot(
  root: string,
  options: { readonly name: string; readonly trustedPublicKeys: readonly string[] },
): Promise<void> {
  await layOutMachine(root, {
    name: options.name,
    nixConf: [`trusted-public-keys = ${options.trustedPublicKeys.join(" ")}`],
  });
  for (const folder of [
    "usr",
    "var/lib",
    "root",
    "proc",
    "sys",
    "dev",
    "etc/systemd/system",
    "etc/tmpfiles.d",
  ])
    await mkdir(join(root, folder), { recursive: true });
  // Programs that stand in for what the host lacks are of no use here: /bin is the host's as well.
  await rmdir(join(root, "bin"));
  for (const folder of ["bin", "sbin", "lib", "lib64"])
    await symlink(`usr/${folder}`, join(root, folder));
  const units = join(root, "etc/systemd/system");
  await symlink("/usr/lib/systemd/system/multi-user.target", join(units, "default.target"));
  for (const unit of MASKED) await symlink("/dev/null", join(units, unit));
  await mkdir(join(root, "etc/nix-ota"));
  await nameSystemdRoot(root, options.name);
  // Debian's own empties /tmp at boot, below which the host's folders may be seen.
  await writeFile(join(root, "etc/tmpfiles.d/tmp.conf"), "");
}

/** Makes a root file system that of another machine. */
export async function nameSystemdRoot(root: string, name: string): Promise<void> {
  await writeFile(join(root, "etc/machine-id"), `${randomBytes(16).toString("hex")}\n`);
  await writeFile(join(root, "etc/hostname"), `${name}\n`);
  await writeFile(join(root, DEVICE_ID_FILE), `${name}\n`);
}
