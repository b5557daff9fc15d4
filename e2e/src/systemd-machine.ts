import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { takeNextBoot } from "./boot-default.ts";
import { containerArgv, firstProcess } from "./container.ts";
import { eventually } from "./eventually.ts";
import { HarnessError } from "./harness-error.ts";
import { makeDisk, succeed } from "./machine-disk.ts";
import { deleteMachine } from "./machine-folder.ts";
import { type FactorySystem, Machine, installSystem } from "./machine.ts";
import { Namespace, startInside } from "./namespace.ts";
import type { ProcessHandle, SpawnOptions } from "./process-handle.ts";
import { type CommandOptions, type CommandResult, expectSuccess, finish } from "./run-command.ts";
import { cgroupFolders, removeGroup } from "./systemd-host.ts";
import { layOutSystemdRoot, nameSystemdRoot } from "./systemd-root.ts";

export type SystemdMachineOptions = {
  /** The machine's folder; made when missing, deleted at the end. */
  readonly dir: string;
  readonly name: string;
  /** Keys in nix's public form, `name:base64`, whose signatures the machine's nix.conf trusts. */
  readonly trustedPublicKeys: readonly string[];
  /** The system the machine leaves the factory with, and a store URL that holds it. Default: none; systemd starts alone. */
  readonly factory?: FactorySystem;
  /** Folders of the host that the machine sees at the same path, read-only: a `file://` cache. */
  readonly folders?: readonly string[];
  /**
   * Its root file system is on an ext4 image, so that `cutPower` loses what was not synced: an empty
   * one, or that of a machine that `install` made. Default: a folder of the host, which loses nothing.
   */
  readonly disk?: { readonly mebibytes: number } | { readonly copyOf: SystemdMachine };
  /** Files that it has from the start, by their absolute path. */
  readonly files?: Readonly<Record<string, string>>;
};

const REPOSITORY = join(import.meta.dirname, "../..");
const IMAGE = "disk.img";
const SYSTEMD = "/usr/lib/systemd/systemd";

/** Nothing of the host's: so no NIX_* leaks in. */
const ENVIRONMENT: NodeJS.ProcessEnv = {
  PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`,
  HOME: "/root",
  XDG_CACHE_HOME: "/root/.cache",
  LANG: "C.UTF-8",
  USER: "root",
};

/**
 * A machine whose process 1 is the host's systemd, in a container of `systemd-nspawn`: real units,
 * timers, transient units and journal, over a root file system of its own. Only `/usr` and this
 * repository are the host's, read-only. The network is the host's, so loopback servers are reached.
 *
 * It runs units of the system that it boots (`etc/systemd/system` of the toplevel).
 */
export class SystemdMachine extends Machine {
  readonly dir: string;
  override readonly name: string;
  override readonly stateDir = "/var/lib/nix-ota";
  readonly #folders: readonly string[];
  /** The image that holds the root file system. */
  readonly #disk: string | undefined;
  /** Name of its control group, in every folder of `cgroupFolders` while it is on. */
  readonly controlGroup = `nix-ota-${randomUUID()}`;
  #surroundings: Namespace | undefined;
  #container: ProcessHandle | undefined;
  #leader: number | undefined;

  private constructor(options: SystemdMachineOptions) {
    super();
    this.dir = options.dir;
    this.name = options.name;
    this.#folders = [REPOSITORY, dirname(process.execPath), ...(options.folders ?? [])];
    this.#disk = options.disk === undefined ? undefined : join(options.dir, IMAGE);
  }

  /** A machine that has booted. */
  static async create(options: SystemdMachineOptions): Promise<SystemdMachine> {
    const machine = await SystemdMachine.install(options);
    try {
      await machine.boot();
      return machine;
    } catch (cause) {
      await machine[Symbol.asyncDispose]();
      throw cause;
    }
  }

  /** A machine that is off and has never booted, but has its system. */
  static async install(options: SystemdMachineOptions): Promise<SystemdMachine> {
    const machine = new SystemdMachine(options);
    try {
      await machine.#install(options);
      return machine;
    } catch (cause) {
      await machine[Symbol.asyncDispose]();
      throw cause;
    }
  }

  override get hostStateDir(): string {
    return this.hostPath(this.stateDir);
  }

  override get poweredOn(): boolean {
    return this.#leader !== undefined;
  }

  /** Process 1 of the machine as the host sees it; undefined while it is off. */
  get initPid(): number | undefined {
    return this.#leader;
  }

  /** Valid until the machine is powered off: a link in it that is absolute leads to the host. */
  override hostPath(path: string): string {
    if (this.#leader !== undefined) return join(`/proc/${this.#leader}/root`, path);
    return join(this.#visibleRoot(), path);
  }

  override async exec(
    argv: readonly string[],
    options: CommandOptions = {},
  ): Promise<CommandResult> {
    return await finish(await this.spawn(argv, options), options.timeoutMs);
  }

  /** Starts a process beside the machine's units: it belongs to none of them. */
  override async spawn(
    argv: readonly string[],
    options: SpawnOptions = {},
  ): Promise<ProcessHandle> {
    if (this.#leader === undefined)
      throw new HarnessError("usage", `${this.name} is powered off; boot it first`);
    const enter = ["nsenter", "-t", `${this.#leader}`, "-m", "-u", "-i", "-p", "-r", "--"];
    return await startInside(enter, argv, { ...options, env: { ...ENVIRONMENT, ...options.env } });
  }

  /** Value of a unit's property, as `systemctl show` prints it. */
  async property(unit: string, name: string): Promise<string> {
    return await this.run(["systemctl", "show", "--value", "--property", name, "--", unit]);
  }

  /** What a unit said since the boot, oldest first. */
  async journal(unit: string): Promise<string> {
    return await this.run(["journalctl", "--no-pager", "--output=short-precise", "--unit", unit]);
  }

  /** What the machine wrote to its console since its last boot, for messages. */
  console(): string {
    return `${this.#container?.stdout() ?? ""}${this.#container?.stderr() ?? ""}`;
  }

  override async powerOff(): Promise<void> {
    await this.#surroundings?.kill();
    await this.#forgetContainer();
    this.#surroundings = undefined;
  }

  /**
   * The power fails: every process is killed, and of what they wrote only that is left which had
   * reached the disk. Takes a machine with a `disk`.
   */
  async cutPower(): Promise<void> {
    if (this.#disk === undefined || this.#leader === undefined)
      throw new HarnessError(
        "usage",
        `${this.name} needs a disk of its own, and to be on, for a power cut`,
      );
    process.kill(this.#leader, "SIGKILL");
    await this.#container?.exited;
    // The file system is mounted still: what it has not written back is in memory alone.
    const left = `${this.#disk}.left`;
    await succeed(["cp", "--sparse=always", this.#disk, left]);
    await this.powerOff();
    await rename(left, this.#disk);
  }

  /**
   * Boots, and returns when systemd has nothing left to start, whatever came of it.
   *
   * @param repair what happens to its root file system before.
   */
  override async boot(repair?: (root: string) => Promise<void>): Promise<void> {
    await this.powerOff();
    await this.#powerOn();
    const root = this.#visibleRoot();
    await repair?.(root);
    const next = await takeNextBoot(root);
    const program = next.system === null ? SYSTEMD : `${next.system}/init`;
    if (next.system !== null && !existsSync(join(root, program))) {
      throw new HarnessError(
        "boot",
        `${this.name} does not boot: ${next.from} names ${program}, which is not there`,
      );
    }
    this.#container = await this.#contain(["--hostname", this.name], [program]);
    this.#leader = await firstProcess(this.#container);
    await eventually(
      `the end of the boot of ${this.name}`,
      async () => {
        const { stdout } = await this.exec(["systemctl", "is-system-running"]);
        return ["running", "degraded", "maintenance"].includes(stdout.trim()) ? true : undefined;
      },
      { timeoutMs: 60_000, describe: () => this.console().slice(-2000) },
    );
  }

  override async bootId(): Promise<string> {
    return await this.run(["cat", "/proc/sys/kernel/random/boot_id"]);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.powerOff();
    await deleteMachine(this.dir);
  }

  /** Where the root file system is mounted, or simply is. */
  get #root(): string {
    return join(this.dir, "root");
  }

  /** The same for a process that does not share the mount. */
  #visibleRoot(): string {
    if (this.#surroundings === undefined) {
      if (this.#disk === undefined) return this.#root;
      throw new HarnessError("usage", `${this.name} is powered off; boot it to see its disk`);
    }
    return join(`/proc/${this.#surroundings.initPid}/root`, this.#root);
  }

  async #install(options: SystemdMachineOptions): Promise<void> {
    const { disk, factory, files = {} } = options;
    await mkdir(this.#root, { recursive: true });
    if (disk !== undefined && this.#disk !== undefined)
      await makeDisk(
        this.#disk,
        "copyOf" in disk ? { copyOf: join(disk.copyOf.dir, IMAGE) } : disk,
      );
    await this.#powerOn();
    const root = this.#visibleRoot();
    if (disk !== undefined && "copyOf" in disk) await nameSystemdRoot(root, this.name);
    else await layOutSystemdRoot(root, options);
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content);
    }
    if (factory !== undefined)
      await installSystem(async (argv) => await this.#runWithoutBoot(argv), factory);
    // A file system that lost its first minute would be a broken factory, not a device.
    await succeed(["sync", "-f", root]);
    await this.powerOff();
  }

  async #powerOn(): Promise<void> {
    this.#surroundings = await Namespace.open({
      dir: this.dir,
      env: ENVIRONMENT,
      setUp: [
        join(import.meta.dirname, "systemd-machine-init.sh"),
        this.#root,
        ...(this.#disk === undefined ? [] : [this.#disk]),
      ],
    });
  }

  /** A container over the root file system, in control groups of its own. */
  async #contain(options: readonly string[], program: readonly string[]): Promise<ProcessHandle> {
    if (this.#surroundings === undefined)
      throw new HarnessError("usage", `${this.name} is powered off; boot it first`);
    const argv = containerArgv({
      root: this.#root,
      folders: ["/usr", ...this.#folders],
      groups: await this.#groups(),
      options,
      program,
    });
    return await this.#surroundings.spawn(argv);
  }

  /** A command on the machine's files alone, as an installer runs it. */
  async #runWithoutBoot(argv: readonly string[]): Promise<string> {
    const environment = Object.entries(ENVIRONMENT).map(
      ([name, value]) => `--setenv=${name}=${value}`,
    );
    const running = await this.#contain([...environment, "--as-pid2"], argv);
    return expectSuccess(argv, await finish(running));
  }

  async #groups(): Promise<readonly string[]> {
    return (await cgroupFolders()).map((folder) => join(folder, this.controlGroup));
  }

  async #forgetContainer(): Promise<void> {
    this.#leader = undefined;
    if (this.#container === undefined) return;
    await this.#container.exited;
    this.#container = undefined;
    for (const group of await this.#groups()) await removeGroup(group);
  }
}
