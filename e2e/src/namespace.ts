import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { HarnessError } from "./harness-error.ts";
import { ProcessHandle, type SpawnOptions } from "./process-handle.ts";
import { type CommandOptions, type CommandResult, finish } from "./run-command.ts";

/** An ordinary user of the host that shall own a machine; only root may name another one. */
export type HostUser = { readonly uid: number; readonly gid: number };

export type NamespaceOptions = {
  /** Holds `nix`, `run`, `etc` and `boot`, which are mounted over the host's. */
  readonly dir: string;
  readonly runAs?: HostUser;
  /** Inherited by every process inside; nothing of the host's environment is. */
  readonly env: NodeJS.ProcessEnv;
  /** Root only: the process whose mounts the machine sees below `dir`. Default: this one. */
  readonly mountsOf?: number;
  /**
   * Shell script with its arguments that mounts what the machine is made of, says "ready" and lives
   * as long as its standard input is open. Default: `namespace-init.sh`.
   */
  readonly setUp?: readonly string[];
};

/**
 * A mount and PID namespace: the host's programs with a machine's own `/nix /run /etc /boot`.
 * Root makes it directly; an ordinary user through a user namespace in which it is uid 0.
 */
export class Namespace {
  readonly #holder: ProcessHandle;
  readonly #enter: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  /** Process 1 of the machine, as the host sees it. */
  readonly initPid: number;

  private constructor(holder: ProcessHandle, initPid: number, options: NamespaceOptions) {
    this.#holder = holder;
    this.initPid = initPid;
    this.#env = options.env;
    const user = needsUserNamespace(options) ? ["-U", "--preserve-credentials"] : [];
    // -r, -w: entering a mount namespace alone would leave the root directory that this process may
    // have been confined to, and leave it in a folder that is nowhere in there.
    this.#enter = [
      ...asUser(options),
      ...["nsenter", "-t", `${initPid}`, ...user, "-m", "-p", "-r", "-w", "--"],
    ];
  }

  static async open(options: NamespaceOptions): Promise<Namespace> {
    if (!existsSync("/nix")) {
      throw new HarnessError(
        "host",
        "/nix is missing as a mount point; make it once: sudo mkdir /nix",
      );
    }
    const rootMap = needsUserNamespace(options) ? ["-r"] : [];
    const { mountsOf } = options;
    const holder = await ProcessHandle.start(
      [
        ...(mountsOf === undefined ? [] : ["nsenter", "-t", `${mountsOf}`, "-m", "-r", "-w", "--"]),
        ...asUser(options),
        "unshare",
        ...rootMap,
        "-m",
        "-p",
        "--fork",
        "--kill-child=KILL",
        "--mount-proc",
        "--propagation",
        "private",
        "/bin/sh",
        ...(options.setUp ?? [join(import.meta.dirname, "namespace-init.sh"), options.dir]),
      ],
      { env: options.env, cwd: "/", lifeline: true },
    );
    try {
      await holder.waitForLine((line) => (line === "ready" ? true : undefined), 20_000);
      return new Namespace(holder, await onlyChild(holder), options);
    } catch (cause) {
      holder.killGroup();
      await holder.exited;
      throw new HarnessError(
        "host",
        `a namespace with its own /nix cannot be made (${holder.stderr().trim()}); run as root, or allow user namespaces: sysctl user.max_user_namespaces and kernel.unprivileged_userns_clone`,
        { cause },
      );
    }
  }

  /** Starts a process inside; its `pid` is the real process as the host sees it. */
  async spawn(argv: readonly string[], options: SpawnOptions = {}): Promise<ProcessHandle> {
    return await startInside(this.#enter, argv, {
      ...options,
      env: { ...this.#env, ...options.env },
    });
  }

  async exec(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return await finish(await this.spawn(argv, options), options.timeoutMs);
  }

  /** SIGKILL for everything inside, at once. Returns when nothing of it is left. */
  async kill(): Promise<void> {
    // The kernel ends process 1 only after all others of its namespace are gone, and the holder
    // waits for process 1.
    if (this.#holder.exit === undefined) {
      try {
        process.kill(this.initPid, "SIGKILL");
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== "ESRCH") throw cause;
      }
    }
    await this.#holder.exited;
  }
}

/** Starts a process behind `nsenter` with these arguments. */
export async function startInside(
  enter: readonly string[],
  argv: readonly string[],
  options: SpawnOptions,
): Promise<ProcessHandle> {
  const running = await ProcessHandle.start([...enter, ...argv], { cwd: "/", ...options });
  // nsenter stays outside and waits: killing it would leave the real process alone inside.
  const pid = await onlyChild(running);
  if (pid !== 0) running.actFor(pid);
  return running;
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function needsUserNamespace(options: NamespaceOptions): boolean {
  return !isRoot() || options.runAs !== undefined;
}

function asUser({ runAs }: NamespaceOptions): string[] {
  if (runAs === undefined) return [];
  if (!isRoot()) throw new HarnessError("usage", "only root can make a machine for another user");
  return ["setpriv", `--reuid=${runAs.uid}`, `--regid=${runAs.gid}`, "--clear-groups", "--"];
}

/** The pid of a process's only child, 0 when the process ended before it was seen. */
async function onlyChild(parent: ProcessHandle): Promise<number> {
  const path = `/proc/${parent.pid}/task/${parent.pid}/children`;
  while (parent.exit === undefined) {
    const children = await readFile(path, "utf8").catch(() => undefined);
    if (children === undefined) return 0;
    if (children.trim() !== "") return Number(children.trim().split(" ")[0]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return 0;
}
