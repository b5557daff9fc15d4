import { Builder, type SystemOptions } from "./builder.ts";
import { CacheKey } from "./cache-key.ts";
import { Device, type DeviceOptions } from "./device.ts";
import type { Machine } from "./machine.ts";
import type { HostUser } from "./namespace.ts";
import { SystemdMachine, type SystemdMachineOptions } from "./systemd-machine.ts";
import { TemporaryFolder } from "./temporary-folder.ts";

export type WorkshopOptions = {
  /** Root only: the ordinary user who owns builder and devices. */
  readonly runAs?: HostUser;
  /** Folder of programs that are the nix of builder and devices. Default: the host's. */
  readonly nix?: string;
};

/**
 * One folder with a builder, a cache folder signed by one key, and devices that trust it: the set-up
 * that every test on real nix starts from. Everything goes with it.
 */
export class Workshop implements AsyncDisposable {
  readonly folder: TemporaryFolder;
  readonly builder: Builder;
  readonly key: CacheKey;
  readonly cacheDir: string;
  readonly #options: WorkshopOptions;
  readonly #devices: Machine[] = [];

  private constructor(
    folder: TemporaryFolder,
    builder: Builder,
    key: CacheKey,
    options: WorkshopOptions,
  ) {
    this.folder = folder;
    this.builder = builder;
    this.key = key;
    this.cacheDir = folder.join("cache");
    this.#options = options;
  }

  static async open(options: WorkshopOptions = {}): Promise<Workshop> {
    const { runAs } = options;
    const folder = await TemporaryFolder.create("workshop", runAs);
    try {
      const key = await CacheKey.create("cache.example-1", folder.join("cache.key"), runAs);
      const builder = await Builder.create({ dir: folder.join("builder"), ...options });
      return new Workshop(folder, builder, key, options);
    } catch (cause) {
      await folder[Symbol.asyncDispose]();
      throw cause;
    }
  }

  /** Builds a system, signs it and pushes it to the cache folder. */
  async release(options: SystemOptions): Promise<string> {
    const storePath = await this.builder.buildSystem(options);
    await this.builder.publishToCache([storePath], this.cacheDir, this.key);
    return storePath;
  }

  /** A device that trusts the cache's key and boots `factory`, a store path of `release`. */
  async device(name: string, factory?: string, more: Partial<DeviceOptions> = {}): Promise<Device> {
    const device = await Device.create({
      dir: this.folder.join(name),
      name,
      trustedPublicKeys: [this.key.publicKey],
      ...(factory === undefined
        ? {}
        : { factory: { storePath: factory, from: `file://${this.cacheDir}` } }),
      ...this.#options,
      ...more,
    });
    this.#devices.push(device);
    return device;
  }

  /** The same with a systemd as its process 1; see `systemdImpossible` for where that cannot be. */
  async systemdMachine(
    name: string,
    factory?: string,
    more: Partial<SystemdMachineOptions> = {},
  ): Promise<SystemdMachine> {
    const machine = await this.installSystemd(name, factory, more);
    await machine.boot();
    return machine;
  }

  /** The same before its first boot. */
  async installSystemd(
    name: string,
    factory?: string,
    more: Partial<SystemdMachineOptions> = {},
  ): Promise<SystemdMachine> {
    const machine = await SystemdMachine.install({
      dir: this.folder.join(name),
      name,
      trustedPublicKeys: [this.key.publicKey],
      folders: [this.cacheDir],
      ...(factory === undefined
        ? {}
        : { factory: { storePath: factory, from: `file://${this.cacheDir}` } }),
      ...more,
    });
    this.#devices.push(machine);
    return machine;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const device of this.#devices) await device[Symbol.asyncDispose]();
    await this.builder[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}
