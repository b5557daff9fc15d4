import { randomBytes } from "node:crypto";
import { chown, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { HarnessError } from "./harness-error.ts";
import { findBinaries, freePort, type Launcher, postgresLauncher } from "./postgres-host.ts";
import { ProcessHandle } from "./process-handle.ts";
import { expectSuccess, runCommand } from "./run-command.ts";
import { TemporaryFolder } from "./temporary-folder.ts";

export type ClusterOptions = {
  /**
   * Whether commits wait for the disk. Default false: tests of logic never cut the power, and a
   * killed postmaster loses nothing that was committed. True is for tests of durability and speed.
   */
  readonly fsync?: boolean;
};

/** A temporary PostgreSQL of Debian's binaries, on loopback only, run by an unprivileged user. */
export class PostgresCluster implements AsyncDisposable {
  readonly port: number;
  readonly #folder: TemporaryFolder;
  readonly #server: ProcessHandle;
  readonly #bin: string;
  readonly #password: string;

  private constructor(
    folder: TemporaryFolder,
    server: ProcessHandle,
    bin: string,
    port: number,
    password: string,
  ) {
    this.#folder = folder;
    this.#server = server;
    this.#bin = bin;
    this.port = port;
    this.#password = password;
  }

  static async start(options: ClusterOptions = {}): Promise<PostgresCluster> {
    const bin = findBinaries();
    const launcher = await postgresLauncher();
    const folder = await TemporaryFolder.create("postgres", launcher.owner);
    try {
      const password = randomBytes(16).toString("hex");
      await initialise(bin, folder, password, launcher);
      const port = await freePort();
      const server = await ProcessHandle.start(
        [
          ...launcher.argv,
          join(bin, "postgres"),
          "-D",
          folder.join("data"),
          "-p",
          `${port}`,
          "-c",
          "listen_addresses=127.0.0.1",
          "-c",
          `unix_socket_directories=${folder.path}`,
          "-c",
          `fsync=${options.fsync === true ? "on" : "off"}`,
          "-c",
          "max_connections=200",
          "-c",
          "shared_buffers=32MB",
          "-c",
          "log_min_messages=warning",
        ],
        { env: { PATH: "/usr/bin:/bin", LANG: "C.UTF-8" }, cwd: folder.path },
      );
      const cluster = new PostgresCluster(folder, server, bin, port, password);
      await cluster.#ready();
      return cluster;
    } catch (cause) {
      await folder[Symbol.asyncDispose]();
      throw cause;
    }
  }

  /** URL of a database, which is created on the first call with its name. */
  async databaseUrl(name: string): Promise<string> {
    const created = await this.#client(["createdb", name]);
    if (created.code !== 0 && !created.stderr.includes("already exists"))
      expectSuccess(["createdb", name], created);
    return `postgres://postgres:${this.#password}@127.0.0.1:${this.port}/${name}`;
  }

  /** Pid of the postmaster. */
  get pid(): number {
    return this.#server.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Fast shutdown: it ends its sessions instead of waiting for them.
    this.#server.kill("SIGINT");
    const killer = setTimeout(() => this.#server.killGroup("SIGKILL"), 15_000);
    await this.#server.exited;
    clearTimeout(killer);
    await this.#folder[Symbol.asyncDispose]();
  }

  async #ready(): Promise<void> {
    const until = performance.now() + 30_000;
    while ((await this.#client(["pg_isready", "-q"])).code !== 0) {
      if (this.#server.exit !== undefined || performance.now() > until) {
        await this.#server.stop();
        throw new HarnessError(
          "not-ready",
          `PostgreSQL did not start: ${this.#server.stderr().slice(-2000)}`,
        );
      }
      await delay(30);
    }
  }

  async #client([program = "", ...rest]: readonly string[]) {
    return await runCommand(
      [
        join(this.#bin, program),
        "-h",
        "127.0.0.1",
        "-p",
        `${this.port}`,
        "-U",
        "postgres",
        ...rest,
      ],
      {
        env: { PGPASSWORD: this.#password, PATH: "/usr/bin:/bin", LANG: "C.UTF-8" },
        timeoutMs: 30_000,
      },
    );
  }
}

async function initialise(
  bin: string,
  folder: TemporaryFolder,
  password: string,
  launcher: Launcher,
): Promise<void> {
  const passwordFile = folder.join("password");
  await writeFile(passwordFile, password, { mode: 0o600 });
  const { owner } = launcher;
  if (owner !== undefined) await chown(passwordFile, owner.uid, owner.gid);
  const argv = [
    ...launcher.argv,
    join(bin, "initdb"),
    "-D",
    folder.join("data"),
    "-U",
    "postgres",
    "--no-sync",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--auth=scram-sha-256",
    `--pwfile=${passwordFile}`,
  ];
  const env = { PATH: "/usr/bin:/bin", LANG: "C.UTF-8" };
  expectSuccess(argv, await runCommand(argv, { env, cwd: folder.path }));
}
