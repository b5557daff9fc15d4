import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { takeNextBoot } from "./boot-default.ts";
import { DiskImages, type DiskLayout } from "./disk-images.ts";
import { HarnessError } from "./harness-error.ts";
import {
  copyMachine,
  deleteMachine,
  emptyFolder,
  layOutMachine,
  machineEnvironment,
} from "./machine-folder.ts";
import { type FactorySystem, Machine, installSystem } from "./machine.ts";
import { type HostUser, Namespace } from "./namespace.ts";
import type { ProcessHandle, SpawnOptions } from "./process-handle.ts";
import type { CommandOptions, CommandResult } from "./run-command.ts";

export type DeviceOptions = {
  /** The device's folder; made when missing, deleted at the end. */
  readonly dir: string;
  readonly name: string;
  /** Keys in nix's public form, `name:base64`, whose signatures the device's nix.conf trusts. */
  readonly trustedPublicKeys: readonly string[];
  /** Further nix.conf lines. */
  readonly nixConf?: readonly string[];
  /** Folder of programs that are the device's nix. Default: the host's. */
  readonly nix?: string;
  /** The system the device leaves the factory with, and a store URL that holds it. */
  readonly factory?: FactorySystem;
  /** Folder of a device that is powered off, whose /nix and /boot this one starts with: far quicker. */
  readonly image?: string;
  /** Root only: the ordinary user whose user namespace the device lives in. */
  readonly runAs?: HostUser;
  /**
   * Root only: `/nix`, `/boot` and the state directory are on disk images, so that `cutPower` loses
   * what was not synced. `copyOf`: the folder of a device that was switched off by `shutDown`, whose
   * disks this one starts from. Default: folders of the host, which lose nothing.
   */
  readonly disks?: DiskLayout | { readonly copyOf: string };
};

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
export class Device extends Machine {
  readonly dir: string;
  override readonly name: string;
  readonly #runAs: HostUser | undefined;
  readonly #disks: DiskImages | undefined;
  #namespace: Namespace | undefined;

  private constructor(options: DeviceOptions, disks: DiskImages | undefined) {
    super();
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
      ...(options.nix === undefined ? {} : { nix: options.nix }),
      ...(options.runAs === undefined ? {} : { runAs: options.runAs }),
    });
    const { dir, disks, factory } = options;
    const images = disks === undefined ? undefined : await DiskImages.create(dir, disks);
    const device = new Device(options, images);
    try {
      if (options.image !== undefined) await copyMachine(options.image, dir);
      if (options.image !== undefined || typeof disks === "object") await device.boot();
      else await device.#powerOn();
      if (factory !== undefined) {
        await installSystem(async (argv) => await device.run(argv), factory);
        await device.boot();
      }
    } catch (cause) {
      await device[Symbol.asyncDispose]();
      throw cause;
    }
    return device;
  }

  /** A folder of the device that no boot wipes, for the agent's `stateDir`. */
  override get stateDir(): string {
    return join(this.dir, "state");
  }

  override get hostStateDir(): string {
    return this.hostPath("/state");
  }

  /** Process 1 of the device as the host sees it, for `nsenter`; undefined while it is off. */
  get initPid(): number | undefined {
    return this.#namespace?.initPid;
  }

  override get poweredOn(): boolean {
    return this.#namespace !== undefined;
  }

  override hostPath(path: string): string {
    const below = join(this.dir, path);
    return this.#disks === undefined ? below : this.#disks.hostPath(below);
  }

  override async exec(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return await this.#on().exec(argv, options);
  }

  override async spawn(argv: readonly string[], options?: SpawnOptions): Promise<ProcessHandle> {
    return await this.#on().spawn(argv, options);
  }

  override async powerOff(): Promise<void> {
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

  override async boot(): Promise<void> {
    await this.powerOff();
    await this.#powerOn();
    const next = await takeNextBoot(this.hostPath("/"));
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

  override async bootId(): Promise<string> {
    return (await readFile(this.hostPath("/run/boot-id"), "utf8")).trim();
  }

  override async [Symbol.asyncDispose](): Promise<void> {
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

  #on(): Namespace {
    if (this.#namespace === undefined)
      throw new HarnessError("usage", `${this.name} is powered off; boot it first`);
    return this.#namespace;
  }
}
