import { setTimeout as delay } from "node:timers/promises";

import type { SystemMode } from "../src/builder.ts";
import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";
import { expectSuccess } from "../src/run-command.ts";
import { DeviceNews } from "./device-news.ts";
import type { Narrator } from "./narrator.ts";

const DEVICES = ["fridge-1", "fridge-2", "fridge-3"];

/** The deployment of the demonstration, and what can be done to it. */
export class Stage implements AsyncDisposable {
  readonly fleet: Fleet;
  readonly devices: readonly FleetDevice[];
  readonly narrator: Narrator;
  /** Store paths of what was published, by revision. */
  readonly published = new Map<number, string>();
  readonly #news: DeviceNews;

  private constructor(fleet: Fleet, devices: readonly FleetDevice[], narrator: Narrator) {
    this.fleet = fleet;
    this.devices = devices;
    this.narrator = narrator;
    this.#news = new DeviceNews(fleet.operator, narrator);
  }

  static async set(narrator: Narrator): Promise<Stage> {
    await using stack = new AsyncDisposableStack();
    const fleet = stack.use(await Fleet.open());
    narrator.says("server", `listens on ${fleet.server.url}, with its own embedded database`);
    narrator.says(
      "cache",
      `serves ${fleet.own.cache.url}; an upstream one ${fleet.upstream.cache.url}`,
    );
    narrator.says("operator", `made a signing key; devices pin ${fleet.publicKey}`);
    const { storePath: factory } = await fleet.buildSplit({ gen: 0 });
    // The factory image needs no cache: it is the builder's closure as it is.
    await fleet.workshop.builder.push([factory], fleet.workshop.folder.join("factory"));
    const devices: FleetDevice[] = [];
    for (const name of DEVICES) {
      const device = await fleet.device(name, factory, {}, fleet.workshop.folder.join("factory"));
      await device.startAgent();
      devices.push(device);
    }
    narrator.says(
      "devices",
      `${DEVICES.join(", ")} booted their factory system and started the agent`,
    );
    stack.move();
    return new Stage(fleet, devices, narrator);
  }

  /**
   * Builds a system, copies it to the caches and publishes it; gives its revision.
   *
   * @param changed how many of its packages are other ones, at most 11.
   */
  async publish(mode: SystemMode, message: string, changed = 5): Promise<number> {
    const gen = this.published.size + 1;
    const { storePath, own, upstream } = await this.fleet.buildSplit({ gen, mode, changed });
    this.narrator.says(
      "ci",
      `built generation ${gen}: ${own.length} paths went to the own cache, ${upstream.length} are only upstream`,
    );
    const argv = this.fleet.publishArgv(
      storePath,
      ...["--substituter", this.fleet.upstream.cache.url, "--message", message, "--yes"],
    );
    const { stdout, stderr } = await this.#expect(argv);
    this.narrator.shows(shortened(argv), [stderr, stdout].filter(Boolean).join("\n"));
    const { release } = await this.fleet.operator.publish.getRelease({
      channel: this.fleet.channel,
    });
    const revision = Number(release?.revision);
    this.published.set(revision, storePath);
    return revision;
  }

  /**
   * Tells what the devices report until `settled` holds for each of them.
   * Gives up after `timeoutMs` and says false.
   */
  async watch(
    settled: (device: FleetDevice) => Promise<boolean>,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const until = performance.now() + timeoutMs;
    let waiting = [...this.devices];
    while (waiting.length > 0 && performance.now() < until && signal?.aborted !== true) {
      await delay(100);
      await this.tellNews();
      const still = await Promise.all(
        waiting.map(async (device) => ((await settled(device)) ? [] : [device])),
      );
      waiting = still.flat();
    }
    await this.tellNews();
    return waiting.length === 0;
  }

  async tellNews(): Promise<void> {
    for (const { name } of this.devices) await this.#news.tell(name);
  }

  /** Runs a read-only command of the command line and shows it. */
  async show(...argv: string[]): Promise<void> {
    const access = ["--server", this.fleet.server.url, "--token-file", this.fleet.tokenFile];
    const { stdout, stderr } = await this.#expect([...argv, ...access]);
    this.narrator.shows(`nix-ota ${argv.join(" ")}`, stdout || stderr);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const device of this.devices) await device.stopAgent();
    await this.fleet[Symbol.asyncDispose]();
  }

  async #expect(argv: string[]): Promise<{ stdout: string; stderr: string }> {
    const result = await this.fleet.cli(...argv);
    expectSuccess(["nix-ota", ...argv], result);
    return result;
  }
}

/** The command as a person would type it: paths of the stage cut to their names. */
function shortened(argv: readonly string[]): string {
  const words = argv.map((word) => {
    if (word.startsWith("/nix/store/")) return `${word.slice(0, 18)}…`;
    if (word.startsWith("/")) return `./${word.split("/").at(-1)}`;
    return word.includes(" ") ? `'${word}'` : word;
  });
  return `nix-ota ${words.join(" ")}`;
}
