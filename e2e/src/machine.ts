import { join } from "node:path";

import { bootDefault, nextBoot, profileSystem, readLinkOrNull } from "./boot-default.ts";
import type { ProcessHandle, SpawnOptions } from "./process-handle.ts";
import { type CommandOptions, type CommandResult, expectSuccess } from "./run-command.ts";

/** Where a machine's links point, as store paths; null where a link is missing. */
export type MachineLinks = {
  readonly running: string | null;
  readonly booted: string | null;
  readonly profile: string | null;
  /** The boot loader's default entry. */
  readonly bootDefault: string | null;
  /** What the next boot starts: the default, or an entry that was asked for once. */
  readonly nextBoot: string | null;
};

export type GcRoot = { readonly link: string; readonly target: string };

/** A system and a store URL that holds it. */
export type FactorySystem = { readonly storePath: string; readonly from: string };

const SYSTEM_PROFILE = "/nix/var/nix/profiles/system";

/** What every machine that boots synthetic systems has in common, however it is made. */
export abstract class Machine implements AsyncDisposable {
  abstract readonly name: string;
  /** Where the agent keeps its state, as the machine sees it. */
  abstract readonly stateDir: string;
  /** The same for the host. */
  abstract readonly hostStateDir: string;
  abstract readonly poweredOn: boolean;

  /** Where a path of the machine is for the host. */
  abstract hostPath(path: string): string;
  abstract exec(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  abstract spawn(argv: readonly string[], options?: SpawnOptions): Promise<ProcessHandle>;
  /** SIGKILL for every process of the machine at once. What was written to files stays. */
  abstract powerOff(): Promise<void>;
  /**
   * Boots what the boot loader's default names, the system profile when there is no boot loader.
   * Another boot id, an empty /run. HarnessError "boot" when that system is not in the store.
   */
  abstract boot(): Promise<void>;
  /** The random id of this boot. */
  abstract bootId(): Promise<string>;
  abstract [Symbol.asyncDispose](): Promise<void>;

  /** Trimmed stdout of a command that must succeed. */
  async run(argv: readonly string[], options?: CommandOptions): Promise<string> {
    return expectSuccess(argv, await this.exec(argv, options));
  }

  async links(): Promise<MachineLinks> {
    const root = this.hostPath("/");
    return {
      running: await readLinkOrNull(join(root, "run/current-system")),
      booted: await readLinkOrNull(join(root, "run/booted-system")),
      profile: await profileSystem(root),
      bootDefault: (await bootDefault(root)).system,
      nextBoot: (await nextBoot(root)).system,
    };
  }

  /** Numbers of the system profile's generations, ascending, and the one it points to. */
  async generations(): Promise<{ readonly all: readonly number[]; readonly current: number }> {
    const listed = await this.run(["nix-env", "-p", SYSTEM_PROFILE, "--list-generations"]);
    const rows = listed.split("\n").filter((row) => row.trim() !== "");
    const current = rows.find((row) => row.includes("(current)"));
    return {
      all: rows.map((row) => Number.parseInt(row, 10)),
      current: current === undefined ? 0 : Number.parseInt(current, 10),
    };
  }

  /** What keeps store paths alive, as nix itself sees it; processes appear as `{memory:…}`. */
  async gcRoots(): Promise<GcRoot[]> {
    const printed = await this.run(["nix-store", "--gc", "--print-roots"]);
    return printed
      .split("\n")
      .filter((line) => line.includes(" -> "))
      .map((line) => {
        const [link = "", target = ""] = line.split(" -> ");
        return { link, target };
      });
  }
}

/** What an installer does before the first boot: the closure, generation 1, the boot loader. */
export async function installSystem(
  run: (argv: readonly string[]) => Promise<unknown>,
  { storePath, from }: FactorySystem,
): Promise<void> {
  await run(["nix", "copy", "--no-check-sigs", "--from", from, "--", storePath]);
  await run(["nix-env", "-p", SYSTEM_PROFILE, "--set", storePath]);
  await run([join(storePath, "bin/switch-to-configuration"), "boot"]);
}
