import { constants } from "node:fs";
import { access, lstat, readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";

import { isSystem } from "@nix-ota/proto/ids";
import { isStorePath } from "@nix-ota/proto/store-path";

import { CliError } from "./cli-error.ts";

/**
 * The store path that an argument names: itself, or what a link such as `./result` leads to.
 *
 * @throws {CliError} `store` when that is no path directly under /nix/store.
 */
export async function resolveStorePath(argument: string): Promise<string> {
  if (isStorePath(argument)) return argument;
  const resolved = await realpath(argument).catch(() => argument);
  if (isStorePath(resolved)) return resolved;
  throw new CliError(
    "store",
    `${JSON.stringify(argument)} is no store path; give /nix/store/…-nixos-system-…, or the result link of nix build`,
  );
}

/**
 * The system that a NixOS toplevel is for, e.g. `x86_64-linux`.
 *
 * @throws {CliError} `store` when devices could not switch to the path.
 */
export async function toplevelSystem(storePath: string): Promise<string> {
  await expectThere(storePath);
  await expectSwitchProgram(join(storePath, "bin/switch-to-configuration"), storePath);
  const system = (await readText(join(storePath, "system")))?.trim();
  if (system === undefined || !isSystem(system)) throw notToplevel(storePath, "its system file");
  return system;
}

/**
 * Whether devices that run `before` have to reboot for `after`: kernel, initrd, modules, kernel
 * parameters, init or systemd differ. Undefined unless both are in the local store.
 */
export async function needsReboot(before: string, after: string): Promise<boolean | undefined> {
  const [earlier, later] = await Promise.all([bootFacts(before), bootFacts(after)]);
  if (earlier === undefined || later === undefined) return undefined;
  return earlier !== later;
}

async function bootFacts(storePath: string): Promise<string | undefined> {
  if ((await lstat(storePath).catch(() => undefined)) === undefined) return undefined;
  const links = ["kernel", "initrd", "kernel-modules", "systemd"].map((name) =>
    realpath(join(storePath, name)).catch(() => "none"),
  );
  const texts = ["kernel-params", "init-interface-version"].map((name) =>
    readText(join(storePath, name)),
  );
  const facts = await Promise.all([...links, ...texts]);
  // Inside the toplevel itself the place says nothing about the content.
  return JSON.stringify(facts).replaceAll(storePath, "");
}

async function expectThere(storePath: string): Promise<void> {
  await stat(storePath).catch((error: unknown) => {
    throw new CliError(
      "store",
      `${storePath} is not in the local store; build it here, or publish with --trust-cache`,
      { cause: error },
    );
  });
}

/** An empty one is what a power cut leaves of a file, and running it "succeeds". */
async function expectSwitchProgram(program: string, storePath: string): Promise<void> {
  const found = await stat(program).catch(() => undefined);
  if (found === undefined || !found.isFile())
    throw notToplevel(storePath, "bin/switch-to-configuration");
  if (found.size === 0)
    throw new CliError(
      "store",
      `${program} is empty; repair it with: nix-store --repair-path ${storePath}`,
    );
  await access(program, constants.X_OK).catch((error: unknown) => {
    throw new CliError("store", `${program} is not executable; build the system again`, {
      cause: error,
    });
  });
}

function notToplevel(storePath: string, lacks: string): CliError {
  return new CliError(
    "store",
    `${storePath} is no NixOS system: it lacks ${lacks}; build config.system.build.toplevel`,
  );
}

async function readText(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").catch(() => undefined);
}
