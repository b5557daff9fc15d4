import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

import { BoundedOutput } from "./bounded-output.ts";
import { HarnessError } from "./harness-error.ts";
import { hasProgram } from "./has-program.ts";

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type SpawnOptions = {
  readonly cwd?: string;
  /** The whole environment; nothing is inherited unless it stands here. Default: the own one. */
  readonly env?: NodeJS.ProcessEnv;
  /** Bytes kept of stdout and of stderr each, the last ones. Default 1 MiB. */
  readonly keepBytes?: number;
  /** Written to standard input, which is then closed. Default: no input. */
  readonly input?: string | Uint8Array;
  /** Keeps standard input open: the child sees its end when this process is gone, however it went. */
  readonly lifeline?: boolean;
  /**
   * What the kernel sends the child when this process is gone, however it went. Default SIGKILL; one
   * that a program can catch is for those with processes of their own to end.
   */
  readonly orphanSignal?: NodeJS.Signals;
};

/**
 * A process that runs beside the test, in a process group of its own. It does not outlive this
 * process: the kernel ends it.
 */
export class ProcessHandle {
  readonly argv: readonly string[];
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  /** Leader of the process group: the child itself, since it was started detached. */
  readonly #groupPid: number;
  readonly #stdout: BoundedOutput;
  readonly #stderr: BoundedOutput;
  #exit: Exit | undefined;
  #pid: number;

  private constructor(
    child: ChildProcess,
    pid: number,
    argv: readonly string[],
    keepBytes: number,
  ) {
    this.argv = argv;
    this.#child = child;
    this.#pid = pid;
    this.#groupPid = pid;
    this.#stdout = new BoundedOutput(keepBytes);
    this.#stderr = new BoundedOutput(keepBytes);
    child.stdout?.on("data", (chunk: Buffer) => this.#stdout.append(chunk));
    child.stderr?.on("data", (chunk: Buffer) => this.#stderr.append(chunk));
    // "close" and not "exit": the output is complete. A grandchild that keeps a pipe open would
    // hold it back for ever, so after "exit" two silent looks in a row close the pipes from here.
    this.exited = new Promise((resolve) => {
      child.once("exit", () => closeWhenSilent(child));
      child.once("close", (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
  }

  /** Starts a process; throws HarnessError "host" when the program is not there. */
  static async start(argv: readonly string[], options: SpawnOptions = {}): Promise<ProcessHandle> {
    const [program, ...rest] = argv;
    if (program === undefined) throw new HarnessError("usage", "an empty argv cannot be started");
    const env = options.env ?? process.env;
    if (!hasProgram(program, env["PATH"], options.cwd))
      throw new HarnessError("host", `${program} is not there; is it installed and executable?`);
    // It becomes the program: same pid.
    const setpriv = ["--pdeathsig", (options.orphanSignal ?? "SIGKILL").slice("SIG".length), "--"];
    const child = spawn("setpriv", [...setpriv, program, ...rest], {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env,
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    // A child that closes its input early is none of our business; its exit code tells.
    child.stdin.on("error", () => undefined);
    try {
      await once(child, "spawn");
    } catch (cause) {
      throw new HarnessError("host", "setpriv cannot be started; it is part of util-linux", {
        cause,
      });
    }
    if (options.lifeline !== true) child.stdin.end(options.input ?? "");
    const { pid } = child;
    if (pid === undefined) throw new HarnessError("host", `${program} has no pid after its start`);
    return new ProcessHandle(child, pid, argv, options.keepBytes ?? 1024 * 1024);
  }

  /** The pid as the host sees it. */
  get pid(): number {
    return this.#pid;
  }

  /** Names another process as the one that `pid` and `kill` mean: what nsenter started inside. */
  actFor(pid: number): void {
    this.#pid = pid;
  }

  get exit(): Exit | undefined {
    return this.#exit;
  }

  stdout(): string {
    return this.#stdout.text();
  }

  stderr(): string {
    return this.#stderr.text();
  }

  get droppedBytes(): number {
    return this.#stdout.droppedBytes + this.#stderr.droppedBytes;
  }

  /** Signals this one process, not what it started. A process that is gone already is no error. */
  kill(signal: NodeJS.Signals = "SIGTERM"): void {
    if (this.#exit === undefined) signalIfThere(this.#pid, signal);
  }

  /** Signals the process group: also the children that did not leave it. */
  killGroup(signal: NodeJS.Signals = "SIGKILL"): void {
    if (this.#exit === undefined) signalIfThere(-this.#groupPid, signal);
  }

  /**
   * Ends the process: SIGTERM, and SIGKILL for the group when it is still there after `graceMs`.
   * Resolves with its exit.
   */
  async stop(graceMs = 5_000): Promise<Exit> {
    this.kill("SIGTERM");
    const timer = setTimeout(() => {
      this.kill("SIGKILL");
      this.killGroup("SIGKILL");
    }, graceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The first stdout line that `accept` gives a value for; HarnessError "not-ready" otherwise. */
  async waitForLine<T>(accept: (line: string) => T | undefined, timeoutMs: number): Promise<T> {
    const pending = Promise.withResolvers<T>();
    const failed = (why: string) =>
      pending.reject(
        new HarnessError(
          "not-ready",
          `${this.argv.join(" ")} ${why}; it said: ${this.stderr().slice(-2000)}${this.stdout().slice(-2000)}`,
        ),
      );
    const look = () => {
      for (const line of this.stdout().split("\n").slice(0, -1)) {
        const value = accept(line);
        if (value !== undefined) return pending.resolve(value);
      }
    };
    const timer = setTimeout(() => failed(`is not ready after ${timeoutMs} ms`), timeoutMs);
    this.#child.stdout?.on("data", look);
    void this.exited.then(({ code, signal }) => {
      look();
      failed(`ended with ${signal ?? code} before it was ready`);
    });
    look();
    try {
      return await pending.promise;
    } finally {
      clearTimeout(timer);
      this.#child.stdout?.off("data", look);
    }
  }
}

function closeWhenSilent(child: ChildProcess): void {
  let heard = true;
  const hear = () => {
    heard = true;
  };
  const look = setInterval(() => {
    if (heard) {
      heard = false;
      return;
    }
    child.stdout?.destroy();
    child.stderr?.destroy();
  }, 100);
  child.stdout?.on("data", hear);
  child.stderr?.on("data", hear);
  child.once("close", () => clearInterval(look));
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ESRCH") throw cause;
  }
}
