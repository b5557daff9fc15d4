import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

import { ENDS_WITH_ITS_STARTER, processEnvironment } from "./process-environment.testkit.ts";

type Child = ChildProcessByStdio<null, Readable, Readable>;

const PROGRAM = fileURLToPath(new URL("../src/main.ts", import.meta.url));

/** The program as an operator runs it, in a process of its own. */
export class ServerProcess implements AsyncDisposable {
  readonly url: string;
  /** Lines of its log so far, parsed. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  readonly #child: Child;

  private constructor(url: string, log: ServerProcess["log"], child: Child) {
    this.url = url;
    this.log = log;
    this.#child = child;
  }

  /** @param wrapper Words in front of the command, e.g. of a tracer. */
  static async start(
    argv: readonly string[],
    env: Readonly<Record<string, string>> = {},
    wrapper: readonly string[] = [],
  ): Promise<ServerProcess> {
    // A tracer that is killed lets go of what it traces.
    const [command, ...rest] = [...ENDS_WITH_ITS_STARTER, ...wrapper, ...ENDS_WITH_ITS_STARTER];
    const child = spawn(command, [...rest, process.execPath, PROGRAM, ...argv], {
      env: { ...processEnvironment(), ...env },
      // Not this process's own stderr: who reads that would wait for a server that outlived its test.
      stdio: ["ignore", "pipe", "pipe"],
      // Its own group, so that a tracer and what it traces end together.
      detached: true,
    });
    child.stderr.on("data", (bytes: Buffer) => process.stderr.write(bytes));
    const log: Record<string, unknown>[] = [];
    const listening = Promise.withResolvers<string>();
    createInterface({ input: child.stdout }).on("line", (text) => {
      const line = JSON.parse(text) as Record<string, unknown>;
      log.push(line);
      if (line["msg"] === "listening") listening.resolve(String(line["url"]));
    });
    child.once("exit", (code) =>
      listening.reject(new Error(`the server ended with ${code}: ${JSON.stringify(log)}`)),
    );
    return new ServerProcess(await listening.promise, log, child);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Sends a signal to it and whatever wraps it; its exit code, or null for a signal's death. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
      return this.#child.exitCode;
    }
    const exited = once(this.#child, "exit");
    process.kill(-this.pid, signal);
    const [code] = (await exited) as [number | null];
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
  }
}
