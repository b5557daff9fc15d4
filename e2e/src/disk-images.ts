import { existsSync } from "node:fs";
import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";

import { HarnessError } from "./harness-error.ts";
import { ProcessHandle } from "./process-handle.ts";
import { expectSuccess, runCommand } from "./run-command.ts";
import { TemporaryFolder } from "./temporary-folder.ts";

/**
 * `apart`: three file systems. What a sync of one brings to the disk says nothing about the others,
 * so every sync has to be there: the harder case, and that of a machine with partitions.
 * `together`: one file system, as most devices have it. There a sync of the journal also brings the
 * names of other files to the disk, ahead of their contents.
 */
export type DiskLayout = "apart" | "together";

/** What of a device outlives a power cut as far as it was synced. The rest is configuration. */
const FOLDERS = ["nix", "state", "boot"] as const;

/** Bytes of a file system; images are sparse and take what is written. */
const IMAGE_BYTES = { nix: "256M", state: "24M", boot: "24M", all: "320M" } as const;

/**
 * The disks of a device: ext4 on images, so that the power can be cut with the loss of everything
 * that was written and not synced. The backing file of an image holds what reached the disk; what
 * is in the page cache of the file system above it is not in there.
 */
export class DiskImages implements AsyncDisposable {
  readonly #dir: string;
  readonly #folder: string;
  #holder: ProcessHandle | undefined;

  private constructor(dir: string) {
    this.#dir = dir;
    this.#folder = imagesFolder(dir);
  }

  /**
   * Makes the disks of the device in `dir` and mounts them.
   *
   * @param content a layout for empty disks, or the folder of a device whose disks are copied as
   *   `rest` left them.
   */
  static async create(
    dir: string,
    content: DiskLayout | { readonly copyOf: string },
  ): Promise<DiskImages> {
    const disks = new DiskImages(dir);
    await mkdir(disks.#folder, { recursive: true });
    if (typeof content === "object") {
      const from = imagesFolder(content.copyOf);
      for (const name of await imagesIn(from))
        await copySparse(join(from, name), disks.#path(name));
    } else {
      for (const name of content === "apart" ? FOLDERS : (["all"] as const)) {
        await format(disks.#path(`${name}.img`), IMAGE_BYTES[name]);
      }
    }
    await disks.mount();
    return disks;
  }

  /** The process in whose mount namespace the disks are, as the host sees it. */
  get holderPid(): number {
    if (this.#holder === undefined)
      throw new HarnessError("usage", `the disks of ${this.#dir} are not mounted`);
    return this.#holder.pid;
  }

  /** Where the host finds a path of the device's folder with the disks in it. */
  hostPath(path: string): string {
    return join(`/proc/${this.holderPid}/root`, path);
  }

  /** Mounts what is on the images; ext4 replays its journal, as after any power cut. */
  async mount(): Promise<void> {
    const script = join(import.meta.dirname, "disk-holder.sh");
    const unshare = ["unshare", "-m", "--propagation", "private", "/bin/sh"];
    const holder = await ProcessHandle.start(
      [...unshare, script, this.#dir, this.#folder, ...FOLDERS],
      { lifeline: true, cwd: "/" },
    );
    try {
      await holder.waitForLine((line) => (line === "ready" ? true : undefined), 20_000);
    } catch (cause) {
      holder.killGroup();
      await holder.exited;
      throw new HarnessError("host", `disk images cannot be mounted: ${holder.stderr().trim()}`, {
        cause,
      });
    }
    this.#holder = holder;
  }

  /**
   * Cuts the power of a device whose processes were ended without a word: keeps the images as they
   * stand on the disk and drops the mounts, whose unwritten pages go to files that nobody reads again.
   */
  async cut(): Promise<void> {
    const names = await imagesIn(this.#folder);
    for (const name of names) await copySparse(this.#path(name), this.#path(`${name}.cut`));
    for (const name of names) await rename(this.#path(`${name}.cut`), this.#path(name));
    await this.#dropMounts();
  }

  /** Unmounts in order: everything is on the images, which can be copied until the next `mount`. */
  async rest(): Promise<void> {
    if (this.#holder === undefined) return;
    const mounted = existsSync(this.#path("all.img")) ? [join(this.#folder, "all")] : [];
    const argv = ["umount", "--", ...FOLDERS.map((folder) => join(this.#dir, folder)), ...mounted];
    const inside = ["nsenter", "-t", `${this.holderPid}`, "-m", "-r", "-w", "--", ...argv];
    expectSuccess(inside, await runCommand(inside));
    await this.#dropMounts();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dropMounts();
  }

  async #dropMounts(): Promise<void> {
    this.#holder?.killGroup();
    await this.#holder?.exited;
    this.#holder = undefined;
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}

/** Why the power of a device cannot be cut on this host; undefined: it can. */
export async function powerCutsImpossible(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return "only root can mount disk images";
  await using folder = await TemporaryFolder.create("disks");
  for (const name of FOLDERS) await mkdir(folder.join(name));
  try {
    await using disks = await DiskImages.create(folder.path, "together");
    await disks.rest();
    return undefined;
  } catch (cause) {
    if (cause instanceof HarnessError) return cause.message;
    throw cause;
  }
}

const imagesFolder = (dir: string) => join(dir, "disks");

async function imagesIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith(".img"));
}

async function copySparse(from: string, to: string): Promise<void> {
  const argv = ["cp", "--sparse=always", "--", from, to];
  expectSuccess(argv, await runCommand(argv));
}

async function format(path: string, size: string): Promise<void> {
  for (const argv of [
    ["truncate", "-s", size, path],
    // Nothing is left to a kernel thread to initialize later: the image stays as sparse as it is.
    ["mkfs.ext4", "-q", "-m", "0", "-J", "size=4", ...LAZY_NOTHING, path],
  ]) {
    expectSuccess(argv, await runCommand(argv));
  }
}

const LAZY_NOTHING = ["-E", "lazy_itable_init=0,lazy_journal_init=0"];
