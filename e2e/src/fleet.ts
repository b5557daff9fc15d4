import { randomBytes } from "node:crypto";
import { chown, mkdir, writeFile } from "node:fs/promises";

import {
  agentConfig,
  type AgentConfig,
  type AgentSurroundings,
  closureConfig,
  systemdConfig,
} from "./agent-config.ts";
import type { SystemOptions } from "./builder.ts";
import { CacheKey } from "./cache-key.ts";
import { Cache } from "./cache.ts";
import type { DeviceOptions } from "./device.ts";
import { FleetDevice } from "./fleet-device.ts";
import { Operator } from "./operator.ts";
import { type RunningProcess, entryFile, startServer } from "./processes.ts";
import { type CommandResult, expectSuccess } from "./run-command.ts";
import { type SplitClosure, publishSplit } from "./split-closure.ts";
import { Workshop, type WorkshopOptions } from "./workshop.ts";

export type FleetOptions = WorkshopOptions & {
  /** A PostgreSQL; without it the server's embedded database. */
  readonly databaseUrl?: string;
  /** Further arguments of the server. */
  readonly serverArguments?: readonly string[];
};

/** A cache that runs, with the key of what lies in it. */
export type KeyedCache = { readonly cache: Cache; readonly key: CacheKey };

/**
 * A whole deployment on this machine: a builder that holds the signing key, two caches, the server,
 * and devices. Everything in it is the real program or the real tool, and ends with it.
 */
export class Fleet implements AsyncDisposable {
  readonly workshop: Workshop;
  /** The deployment's own cache, first in the devices' list. */
  readonly own: KeyedCache;
  /** Somebody else's cache with another key. */
  readonly upstream: KeyedCache;
  readonly channel = "prod";
  /** As keygen printed it. */
  readonly publicKey: string;
  readonly signingKeyFile: string;
  readonly tokenFile: string;
  readonly #options: FleetOptions;
  #server: RunningProcess;
  #operator: Operator;

  private constructor(parts: {
    workshop: Workshop;
    own: KeyedCache;
    upstream: KeyedCache;
    publicKey: string;
    signingKeyFile: string;
    token: string;
    tokenFile: string;
    server: RunningProcess;
    options: FleetOptions;
  }) {
    this.workshop = parts.workshop;
    this.own = parts.own;
    this.upstream = parts.upstream;
    this.publicKey = parts.publicKey;
    this.signingKeyFile = parts.signingKeyFile;
    this.tokenFile = parts.tokenFile;
    this.#server = parts.server;
    this.#options = parts.options;
    this.#operator = new Operator(parts.server.url, parts.token);
  }

  static async open(options: FleetOptions = {}): Promise<Fleet> {
    await using stack = new AsyncDisposableStack();
    const { runAs, nix } = options;
    const machines = {
      ...(runAs === undefined ? {} : { runAs }),
      ...(nix === undefined ? {} : { nix }),
    };
    const workshop = stack.use(await Workshop.open(machines));
    const { folder, builder } = workshop;
    const upstreamDir = folder.join("upstream");
    for (const dir of [workshop.cacheDir, upstreamDir]) await mkdir(dir, { recursive: true });
    const upstreamKey = await CacheKey.create(
      "upstream.example-1",
      folder.join("upstream.key"),
      options.runAs,
    );
    if (options.runAs !== undefined) {
      const { uid, gid } = options.runAs;
      for (const dir of [workshop.cacheDir, upstreamDir]) await chown(dir, uid, gid);
    }
    const own = { cache: stack.use(await Cache.start(workshop.cacheDir)), key: workshop.key };
    const upstream = { cache: stack.use(await Cache.start(upstreamDir)), key: upstreamKey };
    const token = randomBytes(32).toString("base64url");
    const tokenFile = folder.join("publish-token");
    await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
    if (options.runAs !== undefined) await chown(tokenFile, options.runAs.uid, options.runAs.gid);
    const server = stack.use(await start(folder.join("server"), tokenFile, options));
    const signingKeyFile = folder.join("sign.key");
    const printed = await builder.run([
      process.execPath,
      entryFile("cli"),
      "keygen",
      "--out",
      signingKeyFile,
      "--json",
    ]);
    const { publicKey } = JSON.parse(printed) as { publicKey: string };
    stack.move();
    return new Fleet({
      workshop,
      own,
      upstream,
      publicKey,
      signingKeyFile,
      token,
      tokenFile,
      server,
      options,
    });
  }

  get server(): RunningProcess {
    return this.#server;
  }

  get operator(): Operator {
    return this.#operator;
  }

  /** Ends the server, without a word or in order, and starts it again at the same address. */
  async restartServer(how: "killed" | "in order"): Promise<void> {
    if (how === "killed") this.#server.handle.kill("SIGKILL");
    await this.stopServer();
    await this.startServer();
  }

  /** Ends the server in order. What it knows stays. */
  async stopServer(): Promise<void> {
    await this.#server.handle.stop();
  }

  /** Starts a server that was stopped, at the same address. */
  async startServer(): Promise<void> {
    const listen = new URL(this.#server.url).host;
    const dataDir = this.workshop.folder.join("server");
    this.#server = await start(dataDir, this.tokenFile, this.#options, listen);
  }

  /** Runs the command line where the key and the store are: on the builder. */
  async cli(...argv: string[]): Promise<CommandResult> {
    return await this.workshop.builder.exec([process.execPath, entryFile("cli"), ...argv], {
      timeoutMs: 120_000,
    });
  }

  /** What a command prints with --json; it must succeed. */
  async cliJson(...argv: string[]): Promise<unknown> {
    const all = [...argv, "--json"];
    return JSON.parse(expectSuccess(all, await this.cli(...all))) as unknown;
  }

  /** Builds a system whose agent is the devices' own, and pushes it to the own cache. */
  async build(system: SystemOptions): Promise<string> {
    return await this.workshop.release({ agentJson: this.agentJson(), ...system });
  }

  /** The same, with half of the closure only upstream. */
  async buildSplit(system: SystemOptions): Promise<SplitClosure & { storePath: string }> {
    const { builder } = this.workshop;
    const storePath = await builder.buildSystem({ agentJson: this.agentJson(), ...system });
    const place = ({ cache, key }: KeyedCache) => ({ dir: cache.dir, key });
    const split = await publishSplit({
      builder,
      storePath,
      own: place(this.own),
      upstream: place(this.upstream),
    });
    return { storePath, ...split };
  }

  /** The agent configuration that a system carries. */
  agentJson(): AgentConfig {
    return closureConfig(this.#surroundings());
  }

  /** Arguments of `publish` for a store path. */
  publishArgv(storePath: string, ...more: string[]): string[] {
    return [
      "publish",
      ...["--server", this.#server.url, "--token-file", this.tokenFile],
      ...["--key", this.signingKeyFile, "--channel", this.channel],
      ...["--store-path", storePath, "--substituter", this.own.cache.url],
      ...more,
    ];
  }

  /** Publishes a store path; fails when the command line does. */
  async publish(storePath: string, ...more: string[]): Promise<CommandResult> {
    const argv = this.publishArgv(storePath, ...more);
    const result = await this.cli(...argv);
    expectSuccess(argv, result);
    return result;
  }

  /**
   * A device that runs `factory` and whose agent is configured, not started.
   *
   * @param factoryDir the cache folder its first system comes from. Default: the own cache.
   */
  async device(
    name: string,
    factory: string,
    config: AgentConfig = {},
    factoryDir = this.own.cache.dir,
  ): Promise<FleetDevice> {
    const from = `file://${factoryDir}`;
    return await this.deviceOf(name, { factory: { storePath: factory, from } }, config);
  }

  /** A device that is made as `more` says. */
  async deviceOf(
    name: string,
    more: Partial<DeviceOptions>,
    config: AgentConfig = {},
  ): Promise<FleetDevice> {
    const device = await this.workshop.device(name, undefined, {
      trustedPublicKeys: [this.own.key.publicKey, this.upstream.key.publicKey],
      ...more,
    });
    return await FleetDevice.create(device, agentConfig(device, this.#surroundings(), config));
  }

  /** Builds a system for machines with systemd, and pushes it to the own cache. */
  async buildForSystemd(system: SystemOptions, config: AgentConfig = {}): Promise<string> {
    const agentJson = systemdConfig(this.#surroundings(), config);
    return await this.workshop.release({ agentJson, ...system });
  }

  #surroundings(): AgentSurroundings {
    return {
      server: this.#server.url,
      channel: this.channel,
      publicKey: this.publicKey,
      caches: [this.own, this.upstream].map(({ cache, key }) => ({
        url: cache.url,
        publicKey: key.publicKey,
      })),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.handle.stop();
    await this.own.cache[Symbol.asyncDispose]();
    await this.upstream.cache[Symbol.asyncDispose]();
    await this.workshop[Symbol.asyncDispose]();
  }
}

async function start(
  dataDir: string,
  tokenFile: string,
  options: FleetOptions,
  listen?: string,
): Promise<RunningProcess> {
  return await startServer({
    dataDir,
    publishTokenFile: tokenFile,
    ...(options.databaseUrl === undefined ? {} : { databaseUrl: options.databaseUrl }),
    ...(listen === undefined ? {} : { listen }),
    arguments: options.serverArguments ?? [],
  });
}
