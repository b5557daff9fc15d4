import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rename, rmdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { DEVICE_ID_FILE } from "./agent-config.ts";
import { bootDefault } from "./boot-default.ts";
import { eventually } from "./eventually.ts";
import { HarnessError } from "./harness-error.ts";
import { deleteMachine, layOutMachine } from "./machine-folder.ts";
import { type FactorySystem, Machine, installSystem } from "./machine.ts";
import { Namespace, startInside } from "./namespace.ts";
import type { ProcessHandle, SpawnOptions } from "./process-handle.ts";
import {
  type CommandOptions,
  type CommandResult,
  expectSuccess,
  finish,
  runCommand,
} from "./run-command.ts";
import { cgroupFolders } from "./systemd-host.ts";

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
  /** Its root file system is an ext4 image of so many MiB, so that `cutPower` loses what was not synced. Default: a folder. */
  readonly diskMebibytes?: number;
};

const REPOSITORY = join(import.meta.dirname, "../..");
const SYSTEMD = "/usr/lib/systemd/systemd";

/** Units of Debian that wait for a console, users or hardware, which no container has. */
const MASKED = [
  "systemd-logind.service",
  "systemd-update-utmp.service",
  "systemd-update-utmp-runlevel.service",
  "getty.target",
];

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
    this.#disk = options.diskMebibytes === undefined ? undefined : join(options.dir, "disk.img");
  }

  /** A machine that has booted. */
  static async create(options: SystemdMachineOptions): Promise<SystemdMachine> {
    const machine = new SystemdMachine(options);
    try {
      await mkdir(machine.#root, { recursive: true });
      if (machine.#disk !== undefined) {
        await command(["truncate", "-s", `${options.diskMebibytes}M`, machine.#disk]);
        await command(["mkfs.ext4", "-q", "-m", "0", machine.#disk]);
      }
      await machine.#powerOn();
      await layOut(machine.#visibleRoot(), options);
      if (options.factory !== undefined)
        await installSystem(async (argv) => await machine.#runWithoutBoot(argv), options.factory);
      // A file system that lost its first minute would be a broken factory, not a device.
      await command(["sync", "-f", machine.#visibleRoot()]);
      await machine.boot();
      return machine;
    } catch (cause) {
      await machine[Symbol.asyncDispose]();
      throw cause;
    }
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
   * reached the disk. Takes a machine with `diskMebibytes`.
   */
  async cutPower(): Promise<void> {
    if (this.#disk === undefined || this.#leader === undefined)
      throw new HarnessError(
        "usage",
        `${this.name} takes diskMebibytes, and to be on, for a power cut`,
      );
    process.kill(this.#leader, "SIGKILL");
    await this.#container?.exited;
    // The file system is mounted still: what it has not written back is in memory alone.
    const left = `${this.#disk}.left`;
    await command(["cp", "--sparse=always", this.#disk, left]);
    await this.powerOff();
    await rename(left, this.#disk);
  }

  /**
   * Boots, and returns when systemd has nothing left to start, whatever came of it.
   *
   * @param settled false: returns as soon as there is a process 1.
   */
  override async boot({ settled = true }: { readonly settled?: boolean } = {}): Promise<void> {
    await this.powerOff();
    await this.#powerOn();
    const root = this.#visibleRoot();
    const next = await bootDefault(root);
    const program = next.system === null ? SYSTEMD : `${next.system}/init`;
    if (next.system !== null && !existsSync(join(root, program))) {
      throw new HarnessError(
        "boot",
        `${this.name} does not boot: ${next.from} names ${program}, which is not there`,
      );
    }
    this.#container = await this.#contain(["--hostname", this.name], [program]);
    this.#leader = await this.#firstProcess(this.#container);
    if (settled) await this.settle();
  }

  /** Waits until systemd has nothing left to start. */
  async settle(timeoutMs = 60_000): Promise<void> {
    await eventually(
      `the end of the boot of ${this.name}`,
      async () => {
        const { stdout } = await this.exec(["systemctl", "is-system-running"]);
        return ["running", "degraded", "maintenance"].includes(stdout.trim()) ? true : undefined;
      },
      { timeoutMs, describe: () => this.console().slice(-2000) },
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
    const join =
      'while [ "$1" != -- ]; do mkdir -p "$1"; echo 0 > "$1/cgroup.procs"; shift; done; shift; exec "$@"';
    return await this.#surroundings.spawn([
      ...["sh", "-euc", join, "sh", ...(await this.#groups()), "--"],
      ...["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--settings=no"],
      ...["--link-journal=no", "--resolv-conf=off", "--timezone=off", "--console=pipe"],
      ...[`--directory=${this.#root}`, "--bind-ro=/usr"],
      ...this.#folders.map((folder) => `--bind-ro=${folder}`),
      ...options,
      ...program,
    ]);
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

  /** What nspawn started as process 1 of the container: not the helper that prepares it. */
  async #firstProcess(container: ProcessHandle): Promise<number> {
    return await eventually(
      `a process 1 of ${this.name}`,
      async () => {
        if (container.exit !== undefined)
          throw new HarnessError("host", `systemd-nspawn ended: ${this.console().slice(-2000)}`);
        const { pid } = container;
        const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(
          () => "",
        );
        for (const child of children.split(" ").filter((one) => one !== "")) {
          const status = await readFile(`/proc/${child}/status`, "utf8").catch(() => "");
          if (/^NSpid:.*\s1$/m.test(status)) return Number(child);
        }
        return undefined;
      },
      { timeoutMs: 20_000 },
    );
  }
}

async function command(argv: readonly string[]): Promise<void> {
  expectSuccess(argv, await runCommand(argv));
}

/** A control group can be removed when the groups in it are gone and its last process was buried. */
async function removeGroup(folder: string): Promise<void> {
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

/** What a merged-usr system has besides `/usr`, and units that wake nothing that a container lacks. */
async function layOut(root: string, options: SystemdMachineOptions): Promise<void> {
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
  for (const folder of ["bin", "sbin", "lib", "lib64"])
    await symlink(`usr/${folder}`, join(root, folder));
  const units = join(root, "etc/systemd/system");
  await symlink("/usr/lib/systemd/system/multi-user.target", join(units, "default.target"));
  for (const unit of MASKED) await symlink("/dev/null", join(units, unit));
  await mkdir(join(root, "etc/nix-ota"));
  await writeFile(join(root, DEVICE_ID_FILE), `${options.name}\n`);
  // Debian's own empties /tmp at boot, below which the host's folders may be seen.
  await writeFile(join(root, "etc/tmpfiles.d/tmp.conf"), "");
}
