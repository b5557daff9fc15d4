import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { bootDefault, type BootDefault, profileSystem, readLinkOrNull } from "./boot-default.ts";
import { DiskImages, type DiskLayout } from "./disk-images.ts";
import { HarnessError } from "./harness-error.ts";
import { deleteMachine, emptyFolder, layOutMachine, machineEnvironment } from "./machine-folder.ts";
import { type HostUser, Namespace } from "./namespace.ts";
import type { ProcessHandle, SpawnOptions } from "./process-handle.ts";
import { type CommandOptions, type CommandResult, expectSuccess } from "./run-command.ts";

export type DeviceOptions = {
  /** The device's folder; made when missing, deleted at the end. */
  readonly dir: string;
  readonly name: string;
  /** Keys in nix's public form, `name:base64`, whose signatures the device's nix.conf trusts. */
  readonly trustedPublicKeys: readonly string[];
  /** Further nix.conf lines. */
  readonly nixConf?: readonly string[];
  /** The system the device leaves the factory with, and a store URL that holds it. */
  readonly factory?: { readonly storePath: string; readonly from: string };
  /** Root only: the ordinary user whose user namespace the device lives in. */
  readonly runAs?: HostUser;
  /**
   * Root only: `/nix`, `/boot` and the state directory are on disk images, so that `cutPower` loses
   * what was not synced. `copyOf`: the folder of a device that was switched off by `shutDown`, whose
   * disks this one starts from. Default: folders of the host, which lose nothing.
   */
  readonly disks?: DiskLayout | { readonly copyOf: string };
};

/** Where a device's links point, as store paths; null where a link is missing. */
export type DeviceLinks = {
  readonly running: string | null;
  readonly booted: string | null;
  readonly profile: string | null;
  /** What the next boot starts: the boot loader's default entry. */
  readonly bootDefault: string | null;
};

export type GcRoot = { readonly link: string; readonly target: string };

const PROFILE = "/nix/var/nix/profiles/system";

/**
 * A device: the host's programs over its own `/nix /run /etc /boot`, alive from boot to power-off.
 *
 * There is no systemd inside. What systemd would tell is in files that the agent is pointed to:
 * - `/run/boot-id` another UUID for each boot (the kernel's own does not change in a namespace):
 *   the agent's `settings.bootIdFile`;
 * - `/run/sim/failed-units/<unit>` one file for each failed unit: `settings.failedUnitsCmd`;
 * - `/run/sim/health` what `/run/current-system/sw/bin/sim-health` answers from: `healthCmd`.
 *
 * The rest of the host is visible, so paths below `dir` are the same inside and outside.
 */
export class Device implements AsyncDisposable {
  readonly dir: string;
  readonly name: string;
  readonly #runAs: HostUser | undefined;
  readonly #disks: DiskImages | undefined;
  #namespace: Namespace | undefined;

  private constructor(options: DeviceOptions, disks: DiskImages | undefined) {
    this.dir = options.dir;
    this.name = options.name;
    this.#runAs = options.runAs;
    this.#disks = disks;
  }

  static async create(options: DeviceOptions): Promise<Device> {
    const keys = options.trustedPublicKeys.join(" ");
    await layOutMachine(options.dir, {
      name: options.name,
      nixConf: [`trusted-public-keys = ${keys}`, ...(options.nixConf ?? [])],
      ...(options.runAs === undefined ? {} : { runAs: options.runAs }),
    });
    const { dir, disks, factory } = options;
    const images = disks === undefined ? undefined : await DiskImages.create(dir, disks);
    const device = new Device(options, images);
    try {
      if (typeof disks === "object") await device.boot();
      else await device.#powerOn();
      if (factory !== undefined) await device.#install(factory);
    } catch (cause) {
      await device[Symbol.asyncDispose]();
      throw cause;
    }
    return device;
  }

  /** A folder of the device that no boot wipes, for the agent's `stateDir`. */
  get stateDir(): string {
    return join(this.dir, "state");
  }

  /** Process 1 of the device as the host sees it, for `nsenter`; undefined while it is off. */
  get initPid(): number | undefined {
    return this.#namespace?.initPid;
  }

  get poweredOn(): boolean {
    return this.#namespace !== undefined;
  }

  /** Where a path of the device is for the host. */
  hostPath(path: string): string {
    const below = join(this.dir, path);
    return this.#disks === undefined ? below : this.#disks.hostPath(below);
  }

  async exec(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return await this.#on().exec(argv, options);
  }

  /** Trimmed stdout of a command that must succeed. */
  async run(argv: readonly string[], options?: CommandOptions): Promise<string> {
    return expectSuccess(argv, await this.exec(argv, options));
  }

  async spawn(argv: readonly string[], options?: SpawnOptions): Promise<ProcessHandle> {
    return await this.#on().spawn(argv, options);
  }

  /** SIGKILL for every process of the device at once. What was written to files stays. */
  async powerOff(): Promise<void> {
    await this.#namespace?.kill();
    this.#namespace = undefined;
  }

  /**
   * The power is gone: every process ends at once, and what was written to the disks and not synced
   * is lost. HarnessError "usage" for a device without `disks`.
   */
  async cutPower(): Promise<void> {
    if (this.#disks === undefined)
      throw new HarnessError("usage", `${this.name} has no disks of its own to lose anything from`);
    await this.powerOff();
    await this.#disks.cut();
    await this.#disks.mount();
  }

  /** Switches a device with `disks` off in order: its folder can be the origin of others. */
  async shutDown(): Promise<void> {
    await this.powerOff();
    await this.#disks?.rest();
  }

  /**
   * Boots what the boot loader's default names, the system profile when there is no boot loader.
   * Another boot id, an empty /run. HarnessError "boot" when that system is not in the store.
   */
  async boot(): Promise<void> {
    await this.powerOff();
    await this.#powerOn();
    const next = await this.#nextBoot();
    if (next.system === null) return;
    const init = join(next.system, "init");
    const { code } = await this.exec(["test", "-x", init]);
    if (code !== 0) {
      throw new HarnessError(
        "boot",
        `${this.name} does not boot: ${next.from} names ${init}, which is not there`,
      );
    }
    await this.run([init]);
  }

  async links(): Promise<DeviceLinks> {
    return {
      running: await readLinkOrNull(this.hostPath("/run/current-system")),
      booted: await readLinkOrNull(this.hostPath("/run/booted-system")),
      profile: await profileSystem(this.hostPath("/")),
      bootDefault: (await this.#nextBoot()).system,
    };
  }

  /** Numbers of the system profile's generations, ascending, and the one it points to. */
  async generations(): Promise<{ readonly all: readonly number[]; readonly current: number }> {
    const listed = await this.run(["nix-env", "-p", PROFILE, "--list-generations"]);
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

  async bootId(): Promise<string> {
    return (await readFile(this.hostPath("/run/boot-id"), "utf8")).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.powerOff();
    await this.#disks?.[Symbol.asyncDispose]();
    await deleteMachine(this.dir);
  }

  async #powerOn(): Promise<void> {
    await emptyFolder(this.hostPath("/run"));
    this.#namespace = await Namespace.open({
      dir: this.dir,
      env: machineEnvironment(this.dir),
      ...(this.#disks === undefined ? {} : { mountsOf: this.#disks.holderPid }),
      ...(this.#runAs === undefined ? {} : { runAs: this.#runAs }),
    });
    // From inside, so that these files belong to the device's own user.
    await this.run(["mkdir", "-p", "/run/sim/failed-units"]);
    await this.run(["tee", "/run/boot-id"], { input: `${randomUUID()}\n` });
  }

  /** What an installer does: the closure, generation 1, the boot loader, and the first boot. */
  async #install(factory: { readonly storePath: string; readonly from: string }): Promise<void> {
    const { storePath, from } = factory;
    await this.run(["nix", "copy", "--no-check-sigs", "--from", from, "--", storePath]);
    await this.run(["nix-env", "-p", PROFILE, "--set", storePath]);
    await this.run([join(storePath, "bin/switch-to-configuration"), "boot"]);
    await this.boot();
  }

  async #nextBoot(): Promise<BootDefault> {
    return await bootDefault(this.hostPath("/"));
  }

  #on(): Namespace {
    if (this.#namespace === undefined)
      throw new HarnessError("usage", `${this.name} is powered off; boot it first`);
    return this.#namespace;
  }
}
