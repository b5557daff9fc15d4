import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import {
  chmod,
  chown,
  copyFile,
  cp,
  lstat,
  mkdir,
  readdir,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";

import type { HostUser } from "./namespace.ts";
import { expectSuccess, runCommand } from "./run-command.ts";

export type MachineFolderOptions = {
  readonly name: string;
  /** nix.conf lines after the harness's own; a later line wins. */
  readonly nixConf: readonly string[];
  /** Folder of programs that stand before the host's nix. Default: none. */
  readonly nix?: string;
  readonly runAs?: HostUser;
};

/** What glibc and Debian's tools read in /etc: without them uid 0 has no name and awk no target. */
const ETC_OF_THE_HOST = ["passwd", "group", "nsswitch.conf", "hosts", "ld.so.cache"];

/** Lays out a machine: `nix run etc boot bin home` below `dir`, which is made when it is not there. */
export async function layOutMachine(dir: string, options: MachineFolderOptions): Promise<void> {
  for (const folder of ["nix", "run", "etc/nix", "boot", "bin", "home/.cache", "state", "tmp"]) {
    await mkdir(join(dir, folder), { recursive: true });
  }
  // A temporary folder is 0700 of the caller; the machine's own user must get in.
  await chmod(dir, 0o755);
  for (const file of ETC_OF_THE_HOST) {
    await copyFile(join("/etc", file), join(dir, "etc", file)).catch(ignoreMissing);
  }
  await cp("/etc/alternatives", join(dir, "etc/alternatives"), {
    recursive: true,
    verbatimSymlinks: true,
  }).catch(ignoreMissing);
  if (options.nix !== undefined) {
    for (const program of await readdir(options.nix))
      await symlink(join(options.nix, program), join(dir, "bin", program));
  }
  await writeFile(join(dir, "etc/machine-id"), `${randomBytes(16).toString("hex")}\n`);
  await writeFile(join(dir, "etc/hostname"), `${options.name}\n`);
  // switch-to-configuration refuses a machine that does not call itself NixOS.
  await writeFile(join(dir, "etc/NIXOS"), "");
  await writeFile(join(dir, "etc/os-release"), "NAME=NixOS\nID=nixos\n");
  await writeFile(
    join(dir, "etc/nix/nix.conf"),
    [
      "experimental-features = nix-command",
      "build-users-group =",
      "sandbox = false",
      "substituters =",
      ...options.nixConf,
      "",
    ].join("\n"),
  );
  if (options.runAs !== undefined) await chownTree(dir, options.runAs);
}

/** Gives a machine the store and the boot loader of another one that is off. */
export async function copyMachine(from: string, to: string): Promise<void> {
  const argv = [
    "cp",
    "--archive",
    "--reflink=auto",
    "--",
    join(from, "nix"),
    join(from, "boot"),
    to,
  ];
  expectSuccess(argv, await runCommand(argv));
}

/**
 * The environment of every process in a machine: nothing of the host's, so no NIX_* leaks in, but
 * where node keeps what it compiled.
 */
export function machineEnvironment(dir: string): NodeJS.ProcessEnv {
  return {
    // A machine's own programs, which stand in for what the host lacks, come first.
    PATH: `${join(dir, "bin")}:${join(process.execPath, "..")}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`,
    HOME: join(dir, "home"),
    XDG_CACHE_HOME: join(dir, "home/.cache"),
    TMPDIR: join(dir, "tmp"),
    LANG: "C.UTF-8",
    USER: "root",
    NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
  };
}

/**
 * Deletes a machine's folder; a nix store is read-only even for its owner, so that goes first.
 * A folder that is gone already is fine: a device may end before the workshop it stands in.
 */
export async function deleteMachine(dir: string): Promise<void> {
  if (!existsSync(dir)) return;
  expectSuccess(["chmod"], await runCommand(["chmod", "-R", "u+rwX", "--", dir]));
  await rm(dir, { recursive: true, force: true });
}

/** Empties a folder and keeps the folder itself. */
export async function emptyFolder(dir: string): Promise<void> {
  for (const entry of await readdir(dir))
    await rm(join(dir, entry), { recursive: true, force: true });
}

async function chownTree(path: string, user: HostUser): Promise<void> {
  const status = await lstat(path);
  if (status.isDirectory()) {
    for (const entry of await readdir(path)) await chownTree(join(path, entry), user);
  }
  // Links are left alone: nobody needs to own them, and chown would follow them to the host.
  if (!status.isSymbolicLink()) await chown(path, user.uid, user.gid);
}

function ignoreMissing(cause: NodeJS.ErrnoException): void {
  if (cause.code !== "ENOENT") throw cause;
}
