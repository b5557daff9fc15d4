import { join } from "node:path";

import type { CacheKey } from "./cache-key.ts";
import { deleteMachine, layOutMachine, machineEnvironment } from "./machine-folder.ts";
import { type HostUser, Namespace } from "./namespace.ts";
import type { ProcessHandle, SpawnOptions } from "./process-handle.ts";
import { entryFile } from "./processes.ts";
import { type CommandOptions, type CommandResult, expectSuccess } from "./run-command.ts";

export type SystemMode =
  | "ok"
  | "slow"
  | "noisy"
  | "exit1"
  | "fail-bootloader"
  | "fail"
  | "exit3"
  | "exit4"
  | "exit100"
  | "panic"
  | "fail-boot"
  | "hang"
  | "hang-trap"
  | "crash"
  | "fail-health"
  | "flap-health"
  | "hang-health"
  | "empty";

/** What is wrong with a system's own agent. */
export type AgentState =
  | "yes"
  | "no"
  | "broken"
  | "hangs"
  | "missing"
  | "unfit"
  | "no-boot"
  | "masked";

/** The arguments of `nix/systems.nix`, which says what each means and its default. */
export type SystemOptions = {
  readonly gen: number | string;
  readonly mode?: SystemMode;
  readonly seconds?: number;
  readonly host?: string;
  readonly packages?: number;
  readonly changed?: number;
  readonly bigMebibytes?: number;
  readonly failing?: readonly string[];
  readonly kernel?: string;
  readonly initInterface?: string;
  readonly inhibitors?: string;
  readonly agentJson?: unknown;
  readonly agent?: AgentState;
  readonly agentVersion?: string;
};

/** A CI machine: builds systems in its own /nix, signs them, pushes them to caches. */
export class Builder implements AsyncDisposable {
  readonly dir: string;
  readonly #namespace: Namespace;

  private constructor(dir: string, namespace: Namespace) {
    this.dir = dir;
    this.#namespace = namespace;
  }

  static async create(options: {
    readonly dir: string;
    readonly runAs?: HostUser;
    /** Folder of programs that are the builder's nix. Default: the host's. */
    readonly nix?: string;
  }): Promise<Builder> {
    const { dir, runAs, nix } = options;
    const owner = runAs === undefined ? {} : { runAs };
    const programs = nix === undefined ? {} : { nix };
    await layOutMachine(dir, { name: "builder", nixConf: [], ...programs, ...owner });
    try {
      return new Builder(
        dir,
        await Namespace.open({ dir, env: machineEnvironment(dir), ...owner }),
      );
    } catch (cause) {
      await deleteMachine(dir);
      throw cause;
    }
  }

  async exec(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return await this.#namespace.exec(argv, options);
  }

  /** Trimmed stdout of a command that must succeed. */
  async run(argv: readonly string[], options?: CommandOptions): Promise<string> {
    return expectSuccess(argv, await this.exec(argv, options));
  }

  async spawn(argv: readonly string[], options?: SpawnOptions): Promise<ProcessHandle> {
    return await this.#namespace.spawn(argv, options);
  }

  /** Builds a synthetic system and gives its store path. */
  async buildSystem(options: SystemOptions): Promise<string> {
    const file = join(import.meta.dirname, "../nix/systems.nix");
    const built = await this.run(["nix-build", "--no-out-link", file, ...nixArguments(options)], {
      timeoutMs: 300_000,
    });
    // A root for each: a collection on the builder must not take a release that is still published.
    await this.run([
      "nix-store",
      "--realise",
      built,
      "--add-root",
      join(this.dir, "roots", rootName(built)),
    ]);
    return built;
  }

  /** Every path of a closure, the path itself included. */
  async closure(storePath: string): Promise<string[]> {
    return (await this.run(["nix-store", "--query", "--requisites", storePath])).split("\n");
  }

  /** Signs whole closures and pushes them to a cache folder: what a CI job does. */
  async publishToCache(
    storePaths: readonly string[],
    cacheDir: string,
    key: CacheKey,
  ): Promise<void> {
    await this.sign(storePaths, key, "closure");
    await this.push(storePaths, cacheDir);
  }

  async sign(
    storePaths: readonly string[],
    key: CacheKey,
    what: "closure" | "paths",
  ): Promise<void> {
    const recursive = what === "closure" ? ["--recursive"] : [];
    await this.run([
      "nix",
      "store",
      "sign",
      ...recursive,
      "--key-file",
      key.file,
      "--",
      ...storePaths,
    ]);
  }

  /** Copies closures as they are; a path that is in the cache already keeps its narinfo. */
  async push(storePaths: readonly string[], cacheDir: string): Promise<void> {
    await this.run(["mkdir", "-p", cacheDir]);
    const cache = `file://${cacheDir}?compression=zstd`;
    await this.run(["nix", "copy", "--to", cache, "--", ...storePaths], { timeoutMs: 300_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#namespace.kill();
    await deleteMachine(this.dir);
  }
}

function rootName(storePath: string): string {
  return storePath.slice("/nix/store/".length);
}

function nixArguments(options: SystemOptions): string[] {
  const { agentJson, bigMebibytes, failing, ...plain } = options;
  const values: Record<string, string | number> = {
    agentNode: process.execPath,
    agentMain: entryFile("agent"),
    ...plain,
    ...(bigMebibytes === undefined ? {} : { big: bigMebibytes }),
    ...(failing === undefined ? {} : { failing: failing.join(" ") }),
    ...(agentJson === undefined ? {} : { agentJson: JSON.stringify(agentJson) }),
  };
  return Object.entries(values).flatMap(([name, value]) => ["--argstr", name, `${value}`]);
}
